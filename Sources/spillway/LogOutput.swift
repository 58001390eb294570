internal import Foundation
internal import Logging

/// Log lines on standard error: one line each, as text for people or as JSON for machines.
struct LogOutput: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    let isJSON: Bool

    static func logger(_ settings: Settings) -> Logger {
        var logger = Logger(label: "spillway") { _ in LogOutput(isJSON: settings.logFormat == .json) }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel) ?? .info
        return logger
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date.now.formatted(
            .iso8601.year().month().day().timeZone(separator: .omitted).time(includingFractionalSeconds: true))
        let line: String
        if isJSON {
            // A decision is JSON already: it goes in as it is, not as a text.
            var members = [
                "\"time\":\(Self.quoted(time))", "\"level\":\(Self.quoted(event.level.rawValue))",
                "\"message\":\(Self.quoted(event.message.description))",
            ]
            for (key, value) in (event.metadata ?? [:]).sorted(by: { $0.key < $1.key }) {
                members.append(
                    "\(Self.quoted(key)):\(key == "decision" ? value.description : Self.quoted(value.description))")
            }
            line = "{\(members.joined(separator: ","))}"
        } else {
            line = "\(time) \(event.level.rawValue) \(event.message)"
        }
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }

    private static func quoted(_ text: String) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return (try? encoder.encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }
}
