/// Decisions read back from the journal.
extension Decision {
    /// Reads what `json` wrote; nil if it is something else.
    ///
    /// The journal does not say of a number whether it is a count, a ratio or a time: the names do.
    package init?(json: String) {
        guard case .object(let members)? = JSONLine.value(of: json) else { return nil }
        let line = JSONLine(members)
        guard let sequence = line.number("sequence").flatMap({ UInt64(exactly: $0) }),
            let time = line.text("time").flatMap({ Instant(date: $0) }),
            let subject = Subject(line), let change = Change(line),
            let rule = line.text("rule").flatMap({ Rule(rawValue: $0) }),
            case .object(let evidence)? = line["evidence"]
        else { return nil }
        self.init(
            sequence: sequence, time: time, subject: subject, change: change, rule: rule,
            evidence: evidence.compactMap { Evidence(key: $0.key, $0.value) })
    }
}

extension Decision.Subject {
    fileprivate init?(_ line: JSONLine) {
        let (service, region) = (line.text("service"), line.text("region"))
        switch (line.text("subject"), service, region) {
        case ("endpoint", let service?, let region?):
            guard let address = line.text("endpoint") else { return nil }
            self = .endpoint(service: service, region: region, address: address)
        case ("cell", let service?, let region?): self = .cell(service: service, region: region)
        case ("service", let service?, _): self = .service(service)
        case ("region", _, let region?): self = .region(region)
        case ("router", _, _): self = .router
        default: return nil
        }
    }
}

extension Decision.Change {
    fileprivate init?(_ line: JSONLine) {
        guard let before = line["before"], let after = line["after"] else { return nil }
        switch (line.text("change"), before, after) {
        case ("state", .text(let before), .text(let after)):
            guard let before = EndpointState(rawValue: before), let after = EndpointState(rawValue: after) else {
                return nil
            }
            self = .state(before: before, after: after)
        case ("ceiling", .number(let before), .number(let after)): self = .ceiling(before: before, after: after)
        case ("split", .object(let before), .object(let after)):
            self = .split(
                regions: after.map(\.key), before: before.compactMap(\.value.number),
                after: after.compactMap(\.value.number), shedBefore: line.number("shed_before") ?? 0,
                shedAfter: line.number("shed_after") ?? 0)
            guard case .split(let regions, let before, let after, _, _) = self, before.count == regions.count,
                after.count == regions.count
            else { return nil }
        case ("order", .text(let before), .text(let after)): self = .order(before: before, after: after)
        case ("region", .text(let before), .text(let after)):
            guard let before = RegionState(rawValue: before), let after = RegionState(rawValue: after) else {
                return nil
            }
            self = .region(before: before, after: after)
        case ("holds", .flag(let before), .flag(let after)): self = .holds(before: before, after: after)
        case ("capacity", .number, _), ("capacity", .nothing, _):
            self = .capacity(before: before.number, after: after.number)
        default: return nil
        }
    }
}

extension Decision.Evidence {
    fileprivate init?(key: String, _ value: JSONLine.Value) {
        switch value {
        case .text(let text): self.init(name: Self.name(ofText: key), value: .text(text))
        case .number(let number):
            let name = Self.name(ofNumber: key)
            let (times, ratios) = (Self.times, Self.ratios)
            if times.contains(name) || name.hasSuffix(" for") || name.hasPrefix("median in ") {
                self.init(name: name, value: .milliseconds(number))
            } else if ratios.contains(name) || name.hasSuffix(" may have") {
                self.init(name: name, value: .ratio(number))
            } else {
                self.init(name: name, value: .count(number))
            }
        default: return nil
        }
    }

    private static let times = ["for", "after", "median", "before", "95th percentile", "before that"]
    private static let ratios = ["healthy", "usable", "elsewhere", "answered"]

    /// Spaces became underscores; a region's name may have some of its own.
    private static func name(ofNumber key: String) -> String {
        for suffix in [" may have", " can take"] {
            let written = underscored(suffix)
            if key.hasSuffix(written) { return key.dropLast(written.count) + suffix }
        }
        let region = "median in "
        return key.hasPrefix(underscored(region)) ? region + key.dropFirst(region.count) : spaced(key)
    }

    private static func name(ofText key: String) -> String {
        for prefix in ["ordered of ", "needs ", "median in "] where key.hasPrefix(underscored(prefix)) {
            return spaced(key)
        }
        return key
    }

    private static func underscored(_ name: String) -> String { String(name.map { $0 == " " ? "_" : $0 }) }

    private static func spaced(_ key: String) -> String { String(key.map { $0 == "_" ? " " : $0 }) }
}

/// A line of JSON, its members in their order: as much of JSON as the journal has.
private struct JSONLine {
    enum Value {
        case text(String)
        case number(Int)
        case flag(Bool)
        case object([(key: String, value: Value)])
        case nothing

        var number: Int? { if case .number(let number) = self { number } else { nil } }
    }

    private let members: [(key: String, value: Value)]

    init(_ members: [(key: String, value: Value)]) {
        self.members = members
    }

    subscript(_ key: String) -> Value? { members.first { $0.key == key }?.value }

    func text(_ key: String) -> String? { if case .text(let text)? = self[key] { text } else { nil } }

    func number(_ key: String) -> Int? { self[key]?.number }

    static func value(of line: String) -> Value? {
        var reader = Reader(rest: Array(line.utf8)[...])
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipSpace()
        return reader.rest.isEmpty ? value : nil
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        mutating func skipSpace() {
            rest = rest.drop { $0 == 0x20 || $0 == 0x09 || $0 == 0x0a || $0 == 0x0d }
        }

        private mutating func take(_ text: StaticString) -> Bool {
            let wanted = Array("\(text)".utf8)
            guard rest.starts(with: wanted) else { return false }
            rest = rest.dropFirst(wanted.count)
            return true
        }

        mutating func value(depth: Int) -> Value? {
            skipSpace()
            switch rest.first {
            case UInt8(ascii: "\""): return text().map { .text($0) }
            case UInt8(ascii: "{"): return depth < 3 ? object(depth: depth + 1) : nil
            case UInt8(ascii: "t"): return take("true") ? .flag(true) : nil
            case UInt8(ascii: "f"): return take("false") ? .flag(false) : nil
            case UInt8(ascii: "n"): return take("null") ? .nothing : nil
            default:
                let digits = rest.prefix { (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }
                guard let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
                rest = rest.dropFirst(digits.count)
                return .number(number)
            }
        }

        private mutating func object(depth: Int) -> Value? {
            rest = rest.dropFirst()
            var members: [(key: String, value: Value)] = []
            skipSpace()
            if take("}") { return .object([]) }
            while true {
                skipSpace()
                guard let key = text() else { return nil }
                skipSpace()
                guard take(":"), let value = value(depth: depth) else { return nil }
                members.append((key, value))
                skipSpace()
                if take("}") { return .object(members) }
                guard take(",") else { return nil }
            }
        }

        private mutating func text() -> String? {
            guard take("\"") else { return nil }
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                switch byte {
                case UInt8(ascii: "\""): return String(decoding: bytes, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = escape() else { return nil }
                    bytes += escaped
                default: bytes.append(byte)
                }
            }
            return nil
        }

        /// What stands for a character; the journal writes no surrogates.
        private mutating func escape() -> [UInt8]? {
            switch rest.popFirst() {
            case UInt8(ascii: "n"): return [0x0a]
            case UInt8(ascii: "t"): return [0x09]
            case UInt8(ascii: "r"): return [0x0d]
            case UInt8(ascii: "u"):
                let digits = rest.prefix(4)
                rest = rest.dropFirst(digits.count)
                guard digits.count == 4, let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                    let scalar = Unicode.Scalar(code)
                else { return nil }
                return Array(String(Character(scalar)).utf8)
            case let byte? where [UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/")].contains(byte):
                return [byte]
            default: return nil
            }
        }
    }
}
