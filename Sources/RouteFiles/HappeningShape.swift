internal import Failover
internal import RouteTable
internal import Simulation

/// A happening while it is read: a word for what happens, and all that may be said of it.
struct HappeningDraft: Sendable {
    var at = Duration.zero
    var what = Word.heals
    var length: Duration?
    var region: Int?
    var service: Int?
    var address: String?
    var dependency: String?
    var flapping: Duration?
    var share: Int?
    var status: Int?
    var by: Duration?
    var from: Int?
    var to: Int?
    var over: Duration?
    var rate: Int?
    var name: String?
    var addresses: [String]?
    var why: String?
    var isForced: Bool?

    /// What can happen.
    enum Word: String, Sendable, CaseIterable {
        // To backends
        case refuses, hangs, drops, resets, errs, slows, truncates, loses, heals
        case probesFail = "probes_fail"
        case probesPass = "probes_pass"
        case capacity
        // To the router
        case proberStalls = "prober_stalls"
        case proberLags = "prober_lags"
        case routerStalls = "router_stalls"
        case routerRestarts = "router_restarts"
        case networkCut = "network_cut"
        case resolves
        // Of clients
        case load
        // Of operators
        case drain, weight, drill, freeze
        case endOrder = "end_order"
        case failOver = "fail_over"
        case failBack = "fail_back"
        case imagine

        /// The keys that must be there beside `at` and `what`.
        var required: [String] {
            switch self {
            case .errs, .loses: ["share"]
            case .slows, .proberLags: ["by"]
            case .capacity: ["to"]
            case .proberStalls, .routerStalls: ["for"]
            case .resolves: ["name", "addresses"]
            case .load: ["service", "rate"]
            case .weight: ["share"]
            case .drill, .failOver, .failBack, .imagine: ["region"]
            default: []
            }
        }

        /// Those that may be there.
        var allowed: [String] {
            let scope = ["region", "service", "address"]
            let faults = scope + ["for", "flapping", "dependency"]
            return switch self {
            case .refuses, .hangs, .drops, .resets, .truncates: faults
            case .errs: faults + ["share", "status"]
            case .slows: faults + ["by"]
            case .loses: faults + ["share"]
            case .heals: scope
            case .probesFail, .probesPass: scope + ["for"]
            case .capacity: scope + ["from", "to", "over", "for"]
            case .proberStalls, .routerStalls, .routerRestarts, .networkCut: ["for"]
            case .proberLags: ["for", "by"]
            case .resolves: ["name", "addresses"]
            case .load: ["service", "rate", "over", "for"]
            case .drain: scope + ["for", "why", "forced"]
            case .weight: scope + ["for", "share", "why", "forced"]
            case .drill: ["region", "for", "why", "forced"]
            case .freeze: ["for", "why"]
            case .endOrder: scope + ["why"]
            case .failOver: ["region", "why", "forced"]
            case .failBack: ["region", "why"]
            case .imagine: ["region"]
            }
        }
    }
}

extension Shapes {
    static let happening = Shape<HappeningDraft>(
        "happening", HappeningDraft(),
        [
            Field("at", \.at, .duration(.zero ... .seconds(86_400)), isRequired: true, "When, from the beginning."),
            Field("what", \.what, words, isRequired: true, "What happens."),
            Field(
                optional: "for", \.length, .duration(.milliseconds(1) ... .seconds(259_200)),
                "After so long it is undone. Absent: it stays."),
            Field(optional: "region", \.region, .reference(.region), "In this region. Absent: in all."),
            Field(optional: "service", \.service, .reference(.service), "To this service. Absent: to all."),
            Field(
                optional: "address", \.address, Forms.address.mapped({ "\($0)" }, { .unix(path: $0) }),
                "To this endpoint alone."),
            Field(
                optional: "dependency", \.dependency, .name("dependency"),
                "This is lost: its users fail like that, each in its time."),
            Field(
                optional: "flapping", \.flapping, .duration(.milliseconds(10) ... .seconds(3_600)),
                "On for so long, then off for so long, and so on."),
            Field(optional: "share", \.share, .share(0...10_000), "Of requests, packets or traffic."),
            Field(optional: "status", \.status, .integer(500...599), "Of answers. Absent: 500."),
            Field(optional: "by", \.by, .duration(.milliseconds(1) ... .seconds(600)), "By so much later."),
            Field(optional: "from", \.from, .share(0...10_000), "Of its capacity, to begin with."),
            Field(optional: "to", \.to, .share(0...100_000), "Of its capacity, in the end."),
            Field(
                optional: "over", \.over, .duration(.zero ... .seconds(3_600)), "In a straight line within this time."),
            Field(optional: "rate", \.rate, .integer(0...1_000_000), "Requests a second."),
            Field(optional: "name", \.name, .hostName, "Of endpoints."),
            Field(
                optional: "addresses", \.addresses, Form<String>.ipAddress.list(0...1_000, of: "addresses"),
                "What it stands for; none: the answer is empty."),
            Field(optional: "why", \.why, .text(length: 1...200), "The operator's reason."),
            Field(optional: "forced", \.isForced, .words(["true": true, "false": false]), "Even if it is not safe."),
        ]
    ) { $0.breaches }

    private static let words = Form<HappeningDraft.Word>.parsed(
        FormType(
            name: "word", expectation: "one of \(HappeningDraft.Word.allCases.map(\.rawValue).joined(separator: ", "))",
            schema: .object(["enum": .array(HappeningDraft.Word.allCases.map { .string($0.rawValue) })]))
    ) { text in
        HappeningDraft.Word(rawValue: text).map { .value($0) }
            ?? .nothing(suggestion: NearName.of(text, among: HappeningDraft.Word.allCases.map(\.rawValue)))
    } write: {
        .word($0.rawValue)
    }
}

extension HappeningDraft {
    private var given: [String] {
        let all: [(String, Bool)] = [
            ("for", length != nil), ("region", region != nil), ("service", service != nil), ("address", address != nil),
            ("dependency", dependency != nil), ("flapping", flapping != nil), ("share", share != nil),
            ("status", status != nil), ("by", by != nil), ("from", from != nil), ("to", to != nil),
            ("over", over != nil), ("rate", rate != nil), ("name", name != nil), ("addresses", addresses != nil),
            ("why", why != nil), ("forced", isForced != nil),
        ]
        return all.filter(\.1).map(\.0)
    }

    /// What is said that means nothing here, and what is missing.
    fileprivate var breaches: [Breach] {
        var breaches = given.filter { !what.allowed.contains($0) }.map { key in
            Breach(
                key: key, found: "`\(key)` of `\(what.rawValue)`",
                expected: what.allowed.isEmpty ? "none" : "one of \(what.allowed.joined(separator: ", "))")
        }
        for key in what.required where !given.contains(key) {
            breaches.append(
                Breach(key: "what", found: "`\(what.rawValue)` without `\(key)`", expected: "`\(key)` beside it"))
        }
        if dependency != nil {
            if region == nil {
                breaches.append(Breach(key: "dependency", found: "a dependency without a region", expected: "`region`"))
            }
            for key in ["service", "address", "flapping"] where given.contains(key) {
                breaches.append(Breach(key: key, found: "`\(key)` of a dependency", expected: "`region` alone"))
            }
        }
        return breaches
    }

    func happening(in scenario: Scenario) -> Happening {
        var happening = Happening(at: at, meaning(in: scenario), for: isOrder ? nil : length)
        if what == .routerRestarts, length == nil { happening.length = .seconds(1) }
        return happening
    }

    private var isOrder: Bool {
        switch what {
        case .drain, .weight, .drill, .freeze, .endOrder, .failOver, .failBack: true
        default: false
        }
    }

    private var scope: Happening.Scope { Happening.Scope(region: region, service: service, address: address) }

    private func meaning(in scenario: Scenario) -> Happening.What {
        if let fault { return meaning(of: fault, in: scenario) }
        let reason = why ?? "as the scenario says"
        let length = length ?? Override.usualLength
        func order(_ kind: Override.Kind) -> Happening.What {
            .order(.override(subject(in: scenario), kind, for: length, why: reason), isForced: isForced ?? false)
        }
        let region = region.map { scenario.table.regions[$0].name } ?? ""
        return switch what {
        case .probesFail: .probesLie(scope, .fails)
        case .probesPass: .probesLie(scope, .passes)
        case .capacity: .capacity(scope, from: from, to: to ?? 10_000, over: over ?? .zero)
        case .proberStalls: .proberStalls
        case .proberLags: .proberLags(by: by ?? .zero)
        case .routerStalls: .routerStalls
        case .routerRestarts: .routerRestarts
        case .networkCut: .ownNetworkIsCut
        case .resolves: .resolves(name ?? "", addresses ?? [])
        case .load: .load(service: service ?? 0, perSecond: rate ?? 0, over: over ?? .zero)
        case .drain: order(.drain)
        case .weight: order(.weight(share ?? 10_000))
        case .drill: order(.drill)
        case .freeze: order(.freeze)
        case .endOrder: .order(.end(subject(in: scenario), why: reason), isForced: false)
        case .failOver: .order(.failOver(region: region, why: reason), isForced: isForced ?? false)
        case .failBack: .order(.failBack(region: region, why: reason), isForced: false)
        case .imagine: .imagine(losing: region)
        case .refuses, .hangs, .drops, .resets, .errs, .slows, .truncates, .loses, .heals: .heal(scope)
        }
    }

    private var fault: Fault? {
        switch what {
        case .refuses: .refuses
        case .hangs: .hangs
        case .drops: .drops
        case .resets: .resets
        case .errs: .errs(share: share ?? 10_000, status: status ?? 500)
        case .slows: .slows(by: by ?? .zero)
        case .truncates: .truncates
        case .loses: .loses(share: share ?? 0)
        default: nil
        }
    }

    private func meaning(of fault: Fault, in scenario: Scenario) -> Happening.What {
        if let dependency, let index = scenario.dependencies.firstIndex(where: { $0.name == dependency }) {
            return .dependencyFault(index, region: region ?? 0, fault)
        }
        return flapping.map { .flap(scope, fault, every: $0) } ?? .fault(scope, fault)
    }

    private func subject(in scenario: Scenario) -> Order.Subject {
        let region = region.map { scenario.table.regions[$0].name } ?? ""
        let service = service.map { scenario.table.services[$0].name } ?? ""
        if what == .freeze || region.isEmpty { return .router }
        if let address { return .endpoint(service: service, region: region, address: address) }
        return service.isEmpty ? .region(region) : .cell(service: service, region: region)
    }
}
