internal import FoundationEssentials
internal import Failover

/// A brain's inputs as bytes: small, because there are many. Whole numbers are written seven bits at a time, the lowest
/// first (LEB128); those that may be negative with their sign in the lowest bit.
struct EvidenceWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func put(_ number: Int) {
        let wide = Int64(number)
        put(UInt64(bitPattern: (wide << 1) ^ (wide >> 63)))
    }

    mutating func put(_ text: some Collection<UInt8>) {
        put(UInt64(text.count))
        bytes += text
    }

    mutating func put(_ event: Event) throws {
        switch event {
        case .tick: put(0)
        case .topology(let topology):
            put(1)
            put(try JSONEncoder.evidence.encode(topology))
        case .traffic(let traffic):
            put(2)
            put(traffic.services.count)
            for service in traffic.services {
                put(service.service)
                put(service.requests)
            }
            put(traffic.endpoints.count)
            for endpoint in traffic.endpoints { put(endpoint) }
            put(traffic.cells.count)
            for cell in traffic.cells { for field in CellTraffic.recorded { put(cell[keyPath: field]) } }
        case .probe(let id, let outcome):
            put(3)
            put(id.number)
            switch outcome {
            case .passed: put(0)
            case .failed(let reason, let answered):
                put(answered ? 2 : 1)
                put(Array(reason.utf8))
            case .unknown: put(3)
            }
        case .order(let order, let isForced):
            put(5)
            put(isForced ? 1 : 0)
            put(try JSONEncoder.evidence.encode(order))
        case .proberLag(let lag):
            put(4)
            put(Int(lag / .nanoseconds(1)))
        }
    }

    /// Which of the numbers there are, as bits, then those.
    private mutating func put(_ report: EndpointTraffic) {
        put(report.endpoint.number)
        var mask: UInt64 = 0
        for (index, field) in EndpointTraffic.recorded.enumerated() where report[keyPath: field] != 0 {
            mask |= 1 << UInt64(index)
        }
        put(mask)
        for field in EndpointTraffic.recorded where report[keyPath: field] != 0 { put(report[keyPath: field]) }
    }
}

/// Reads what `EvidenceWriter` wrote.
struct EvidenceReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func number() throws -> UInt64 {
        var result: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            guard shift < 64 else { break }
            result |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return result }
            shift += 7
        }
        throw EvidenceDamaged()
    }

    mutating func signed() throws -> Int {
        let number = try number()
        return Int(Int64(bitPattern: number >> 1) ^ -Int64(number & 1))
    }

    /// A number of things that follow, each at least a byte.
    private mutating func count() throws -> Int {
        let count = try signed()
        guard (0...rest.count).contains(count) else { throw EvidenceDamaged() }
        return count
    }

    mutating func text() throws -> [UInt8] {
        let count = Int(clamping: try number())
        guard count <= rest.count else { throw EvidenceDamaged() }
        defer { rest.removeFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func event() throws -> Event {
        switch try signed() {
        case 0: return .tick
        case 1: return .topology(try JSONDecoder().decode(Topology.self, from: Data(try text())))
        case 2:
            var traffic = Traffic()
            for _ in 0..<(try count()) {
                traffic.services.append(ServiceTraffic(service: try signed(), requests: try signed()))
            }
            for _ in 0..<(try count()) { traffic.endpoints.append(try endpointTraffic()) }
            for _ in 0..<(try count()) {
                var cell = CellTraffic(service: 0, position: 0)
                for field in CellTraffic.recorded { cell[keyPath: field] = try signed() }
                traffic.cells.append(cell)
            }
            return .traffic(traffic)
        case 3:
            let number = try signed()
            guard number >= 0 else { throw EvidenceDamaged() }
            switch try signed() {
            case 0: return .probe(EndpointID(number), .passed)
            case 1:
                return .probe(EndpointID(number), .failed(String(decoding: try text(), as: UTF8.self), answered: false))
            case 2:
                return .probe(EndpointID(number), .failed(String(decoding: try text(), as: UTF8.self), answered: true))
            case 3: return .probe(EndpointID(number), .unknown)
            default: throw EvidenceDamaged()
            }
        case 5:
            let isForced = try signed() == 1
            return .order(try JSONDecoder().decode(Order.self, from: Data(try text())), isForced: isForced)
        case 4: return .proberLag(.nanoseconds(try signed()))
        default: throw EvidenceDamaged()
        }
    }

    private mutating func endpointTraffic() throws -> EndpointTraffic {
        let number = try signed()
        guard number >= 0 else { throw EvidenceDamaged() }
        var report = EndpointTraffic(endpoint: EndpointID(number))
        let mask = try self.number()
        for (index, field) in EndpointTraffic.recorded.enumerated() where mask >> UInt64(index) & 1 == 1 {
            report[keyPath: field] = try signed()
        }
        return report
    }
}

/// Bytes that no `EvidenceWriter` has written, or not to their end.
struct EvidenceDamaged: Error, CustomStringConvertible {
    var description: String { "it is damaged" }
}

extension EndpointTraffic {
    /// In the order in which they are written; new ones come last.
    fileprivate static var recorded: [WritableKeyPath<EndpointTraffic, Int>] {
        [
            \.attempts, \.successes, \.connectFailures, \.unreachables, \.connectTimeouts, \.resets, \.truncations,
            \.responseTimeouts, \.gatewayErrors, \.serverErrors, \.overstays, \.inFlight, \.overstaying, \.failureRun,
            \.unconnected, \.cellDark,
        ]
    }
}

extension CellTraffic {
    /// In the order in which they are written.
    fileprivate static var recorded: [WritableKeyPath<CellTraffic, Int>] {
        [\.service, \.position, \.answers, \.median, \.tail, \.overloads, \.concurrencyLimit]
    }
}

extension JSONEncoder {
    /// Always the same text for the same value.
    static var evidence: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return encoder
    }
}
