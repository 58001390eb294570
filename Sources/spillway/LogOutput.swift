internal import Control
internal import FoundationEssentials
internal import Glibc
internal import Logging
internal import Reactor

/// Log lines on standard error: one line each, as text for people or as JSON for machines. A thread of its own writes them.
struct LogOutput: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    let isJSON: Bool
    let lines: LineOutput

    /// Where the lines of a log with these settings go.
    static func lines(_ settings: Settings) throws(SystemError) -> LineOutput {
        let isJSON = settings.logFormat == .json
        return try LineOutput(descriptor: STDERR_FILENO) { lines, reason in
            line(.error, "\(lines) lines of this log were lost: \(reason)", isJSON: isJSON)
        }
    }

    static func logger(_ settings: Settings, to lines: LineOutput) -> Logger {
        var logger = Logger(label: "spillway") { _ in
            LogOutput(isJSON: settings.logFormat == .json, lines: lines)
        }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel) ?? .info
        return logger
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        lines.write(Self.line(event.level, event.message.description, event.metadata ?? [:], isJSON: isJSON))
    }

    private static func line(
        _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:], isJSON: Bool
    ) -> String {
        let time = Date.now.formatted(
            .iso8601.year().month().day().timeZone(separator: .omitted).time(includingFractionalSeconds: true))
        guard isJSON else { return "\(time) \(level.rawValue) \(message.printable)" }
        // A decision is JSON already: it goes in as it is, not as a text.
        var members = [
            "\"time\":\(quoted(time))", "\"level\":\(quoted(level.rawValue))", "\"message\":\(quoted(message))",
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            members.append("\(quoted(key)):\(key == "decision" ? value.description : quoted(value.description))")
        }
        return "{\(members.joined(separator: ","))}"
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
