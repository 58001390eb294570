internal import ArgumentParser
internal import Failover
internal import FoundationEssentials
internal import RouteFiles
internal import RouteTable
internal import Store

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Tell what was decided, from the journal.",
        discussion: """
            Decisions that belong together are told together, the one that matters most first; many alike are told as one. \
            Works without a running router. Times are UTC.
            """)

    @Option(help: ArgumentHelp("How long ago, or a time: 1h, 14:05 or 2026-01-02T14:05:00Z.", valueName: "time"))
    var since = "24h"

    @Option(help: ArgumentHelp("The same.", valueName: "time"))
    var until: String?

    @Option(help: ArgumentHelp("Only about this service, and the regions it is in.", valueName: "name"))
    var service: String?

    @Option(help: ArgumentHelp("Only about this region.", valueName: "name"))
    var region: String?

    @OptionGroup var state: StateOption

    @Flag(help: "Each decision on its own.")
    var each = false

    @Flag(help: "The journal's own lines: one JSON object each.")
    var json = false

    func run() throws {
        let (first, last) = (try moment(since, "--since"), try until.map { try moment($0, "--until") })
        let directory = try state.path()
        guard FileManager.default.fileExists(atPath: directory) else {
            throw Failure("there is no state directory \(directory); name the router's with --state")
        }
        let stretch = try DecisionJournal.stretch(in: directory, from: first, to: last)
        let entries = JournalFilter(service: service, region: region).matching(stretch.entries)
        if stretch.unreadable > 0 {
            StandardStreams.tell("\(stretch.unreadable) lines of the journal cannot be read and are left out")
        }
        if json {
            for entry in entries { print(entry.line.printable) }
        } else if entries.isEmpty {
            let until = last.map { " until \($0.date)" } ?? ""
            print("No decisions\(about) since \(first.date)\(until).\(suggestion(stretch.entries))")
        } else {
            print(HistoryPage(entries.map(\.decision), isGrouped: !each).text.printable, terminator: "")
        }
    }

    private func moment(_ text: String, _ option: String) throws -> Instant {
        guard let moment = MomentText.since(text, now: .now, length: { DurationText.seconds($0) }) else {
            throw ValidationError(
                "\(option): found \"\(text)\", expected a length such as 1h, or \(MomentText.expectation)")
        }
        return moment
    }

    private var about: String {
        [service.map { " about \($0)" }, region.map { " about \($0)" }].compactMap { $0 }.joined(separator: " and")
    }

    private func suggestion(_ entries: [DecisionJournal.Entry]) -> String {
        let services = Set(entries.compactMap(\.decision.subject.service)).sorted()
        let regions = Set(entries.compactMap(\.decision.subject.region)).sorted()
        let near =
            service.flatMap { services.contains($0) ? nil : NearName.of($0, among: services) }
            ?? region.flatMap { regions.contains($0) ? nil : NearName.of($0, among: regions) }
        return near.map { " Did you mean \($0)?" } ?? ""
    }
}

/// Which decisions somebody wants to see.
struct JournalFilter {
    var service: String?
    var region: String?

    /// A service's decisions, with those about regions it is in, which explain its own; a region's with the splits that
    /// change there. What the router did as a whole concerns everybody.
    func matching(_ entries: [DecisionJournal.Entry]) -> [DecisionJournal.Entry] {
        let regions = regionsOfService(entries)
        return entries.filter { isWanted($0.decision, regions) }
    }

    private func regionsOfService(_ entries: [DecisionJournal.Entry]) -> Set<String> {
        var regions: Set<String> = []
        for entry in entries where entry.decision.subject.service == service {
            if let region = entry.decision.subject.region { regions.insert(region) }
            if case .split(let names, _, _, _, _) = entry.decision.change { regions.formUnion(names) }
        }
        return regions
    }

    private func isWanted(_ decision: Decision, _ regions: Set<String>) -> Bool {
        if case .router = decision.subject { return true }
        if let service {
            if case .region(let name) = decision.subject { return regions.contains(name) && (region ?? name) == name }
            guard decision.subject.service == service else { return false }
        }
        guard let region else { return true }
        if case .split(let names, let before, let after, _, _) = decision.change {
            return zip(names, zip(before, after)).contains { $0.0 == region && $0.1.0 != $0.1.1 }
        }
        return decision.subject.region == region
    }
}

/// Decisions told, for a terminal.
struct HistoryPage {
    let history: History

    init(_ decisions: [Decision], isGrouped: Bool) {
        history = History(decisions, isGrouped: isGrouped)
    }

    var text: String {
        var lines: [String] = []
        for episode in history.episodes {
            if !lines.isEmpty { lines.append("") }
            let day = episode.lead.first.date.prefix(10)
            lines += told(episode.lead, time: "\(day) \(clock(episode.lead.first))", indent: "")
            for entry in episode.others { lines += told(entry, time: time(of: entry), indent: "    ") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func told(_ entry: History.Entry, time: String, indent: String) -> [String] {
        ["\(indent)\(time)  \(entry.text)"] + entry.evidence.map { "\(indent)      \($0)" }
    }

    private func time(of entry: History.Entry) -> String {
        entry.first.phrase(asOf: entry.last) == entry.last.phrase(asOf: entry.last)
            ? String(clock(entry.first)) : "\(clock(entry.first)) – \(clock(entry.last))"
    }

    private func clock(_ time: Instant) -> Substring { time.date.dropFirst(11).prefix(8) }
}
