internal import ArgumentParser
internal import Files
internal import Foundation
internal import Yams

/// How the router itself runs, as opposed to what it routes: from flags, then `SPILLWAY_…` in the environment, then
/// a settings file, then the defaults.
struct Settings: Equatable {
    static let defaultAdmin = "127.0.0.1:9901"

    var admin = defaultAdmin
    /// Names under which the admin address may be asked besides its own; `*.example.com` stands for all that end so.
    var adminHosts: [String] = []
    /// Nil: one for each core this process may use.
    var workers: Int?
    var state: String
    var logFormat = LogFormat.text
    var logLevel = "info"
    /// Seconds to finish what is under way after SIGTERM.
    var drain = 30
    /// Where the name servers are said.
    var resolvConf = "/etc/resolv.conf"

    enum LogFormat: String, ExpressibleByArgument, CaseIterable {
        case text, json
    }

    /// The names flags, variables and the file share.
    enum Key: String, CaseIterable {
        case admin
        case adminHosts = "admin-hosts"
        case workers, state
        case logFormat = "log-format"
        case logLevel = "log-level"
        case drain
        case resolvConf = "resolv-conf"

        var variable: String { "SPILLWAY_" + rawValue.uppercased().replacing("-", with: "_") }
        var fileKey: String { rawValue.replacing("-", with: "_") }
    }

    /// - Parameters:
    ///   - flags: what the command line gave, by key.
    ///   - environment: the process's environment.
    ///   - file: the path of a settings file, if there is one.
    init(flags: [Key: String], environment: [String: String], file: String?) throws(SettingsError) {
        state =
            environment["STATE_DIRECTORY"] ?? environment["XDG_STATE_HOME"].map { $0 + "/spillway" }
            ?? NSHomeDirectory() + "/.local/state/spillway"
        let fromFile = try file.map { path throws(SettingsError) in try Self.read(path) } ?? [:]
        for key in Key.allCases {
            if let value = flags[key] {
                try set(key, value, "--\(key.rawValue)")
            } else if let value = environment[key.variable] {
                try set(key, value, key.variable)
            } else if let value = fromFile[key] {
                try set(key, value, "\(file ?? ""): \(key.fileKey)")
            }
        }
    }

    private mutating func set(_ key: Key, _ value: String, _ origin: String) throws(SettingsError) {
        func bad(_ expected: String) -> SettingsError {
            SettingsError("\(origin): found \"\(value)\", expected \(expected)")
        }
        switch key {
        case .admin:
            guard HostPort(value) != nil else { throw bad("an address such as 127.0.0.1:9901 or [::1]:9901") }
            admin = value
        case .adminHosts:
            let names = value.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard names.allSatisfy(Self.isHostName) else {
                throw bad("names without ports, such as router.example,*.internal")
            }
            adminHosts = names
        case .workers:
            if value == "auto" {
                workers = nil
            } else {
                guard let count = Int(value), (1...256).contains(count) else { throw bad("auto, or 1 to 256") }
                workers = count
            }
        case .state:
            guard !value.isEmpty else { throw bad("a directory") }
            state = value
        case .logFormat:
            guard let format = LogFormat(rawValue: value) else { throw bad("text or json") }
            logFormat = format
        case .logLevel:
            guard ["trace", "debug", "info", "notice", "warning", "error"].contains(value) else {
                throw bad("trace, debug, info, notice, warning or error")
            }
            logLevel = value
        case .drain:
            guard let seconds = Int(value), (0...86_400).contains(seconds) else { throw bad("seconds, 0 to 86400") }
            drain = seconds
        case .resolvConf:
            guard !value.isEmpty else { throw bad("a file as resolv.conf(5) has it") }
            resolvConf = value
        }
    }

    private static func isHostName(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? text.dropFirst(2) : text[...]
        let isPlain = name.utf8.allSatisfy { byte in
            (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
        }
        return isPlain && !name.isEmpty && !name.hasPrefix(".")
    }

    /// Bytes of a settings file, at most.
    private static let fileLimit = 1 << 20

    private static func read(_ path: String) throws(SettingsError) -> [Key: String] {
        let node: Node?
        do {
            node = try Yams.compose(
                yaml: String(decoding: try RegularFile.read(path, atMost: fileLimit), as: UTF8.self))
        } catch let error as FileProblem {
            throw SettingsError(error.isAbsence ? "\(path): no such file" : "\(error)")
        } catch {
            throw SettingsError("\(path): \(error)")
        }
        guard let node else { return [:] }
        guard let mapping = node.mapping else { throw SettingsError("\(path): expected settings such as `workers: 2`") }
        var values: [Key: String] = [:]
        for (name, value) in mapping {
            let place = "\(path):\(name.mark?.line ?? 0):\(name.mark?.column ?? 0)"
            guard let name = name.string, let key = Key.allCases.first(where: { $0.fileKey == name }) else {
                let known = Key.allCases.map(\.fileKey).joined(separator: ", ")
                throw SettingsError("\(place): unknown setting \"\(name.string ?? "")\"; expected one of \(known)")
            }
            guard let text = value.scalar?.string else { throw SettingsError("\(place): \(name): expected one value") }
            values[key] = text
        }
        return values
    }
}

/// A mistake in flags, environment or the settings file.
struct SettingsError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// `127.0.0.1:9901` or `[::1]:9901`, apart.
struct HostPort: Equatable, CustomStringConvertible {
    let host: String
    var port: Int

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }
}
