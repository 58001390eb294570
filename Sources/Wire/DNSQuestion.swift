/// One question of the DNS (RFC 1035) for the addresses of a name, and what an answer says to it.
package struct DNSQuestion: Sendable, Equatable {
    package enum Kind: UInt16, Sendable {
        case a = 1
        case aaaa = 28
    }

    /// Absolute, in lower case, without the final dot.
    package let name: String
    package let kind: Kind

    /// Nil: it is no name the DNS could know.
    package init?(_ name: String, _ kind: Kind) {
        // First, since letters outside ASCII may change their length with their case.
        let name = (name.hasSuffix(".") ? String(name.dropLast()) : name).lowercased()
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // With a length before each label, and the root's.
        guard name.utf8.count <= 253, labels.allSatisfy({ (1...63).contains($0.count) }) else { return nil }
        self.name = name
        self.kind = kind
    }

    /// Bytes of an answer by UDP that this side takes (RFC 6891, 6.2.5): they pass every network in one piece.
    package static let datagramLimit: UInt16 = 1_232

    /// The message that asks, with recursion.
    ///
    /// - Parameter isExtended: with an OPT record, by which more than 512 bytes may be answered.
    package func message(id: UInt16, isExtended: Bool) -> [UInt8] {
        var message: [UInt8] = []
        // RD, and how many questions and additional records.
        for number in [id, 0x0100, 1, 0, 0, isExtended ? 1 : 0] { message.append(number: number) }
        for label in name.utf8.split(separator: UInt8(ascii: ".")) {
            message.append(UInt8(truncatingIfNeeded: label.count))
            message += label
        }
        message.append(0)
        for number in [kind.rawValue, 1] { message.append(number: number) }
        if isExtended {
            message.append(0)
            for number in [41, Self.datagramLimit, 0, 0, 0] { message.append(number: number) }
        }
        return message
    }

    /// What an answer says.
    package enum Answer: Sendable, Equatable {
        /// Addresses of four or sixteen bytes, in the order of the answer, and for how many seconds they are good.
        case addresses([[UInt8]], timeToLive: Int)
        /// Another name's addresses are meant, which the answer does not have; for how many seconds that is so.
        case alias(String, timeToLive: Int)
        /// There is the name, but no address of this kind.
        case none
        /// There is no such name.
        case noSuchName
        /// It did not fit: it is to be asked for by TCP.
        case truncated
        /// The server does not do what is asked for; the code (RFC 1035, 4.1.1).
        case refused(UInt8)
        /// It is an answer to this question, and makes no sense.
        case malformed
        /// It is no answer to this question.
        case unrelated
    }

    /// Aliases one after the other that are followed.
    package static let aliasesLimit = 16
    /// Addresses that are taken.
    package static let addressesLimit = 1_024

    /// Reads an answer that came from whom was asked.
    package func answer(in bytes: RawSpan, id: UInt16) -> Answer {
        guard bytes.byteCount >= 12, bytes.number(at: 0) == id, bytes.byte(at: 2) & 0xf8 == 0x80 else {
            return .unrelated
        }
        let code = bytes.byte(at: 3) & 0x0f
        // A server that does not understand the question may leave it out.
        if bytes.number(at: 4) == 0, code == 1 || code == 4 || code == 5 { return .refused(code) }
        guard bytes.number(at: 4) == 1, let (asked, end) = bytes.name(at: 12), asked == Array(name.utf8),
            bytes.number(at: end) == kind.rawValue, bytes.number(at: end + 2) == 1
        else { return .unrelated }
        switch code {
        case 0: break
        case 3: return .noSuchName
        default: return .refused(code)
        }
        if bytes.byte(at: 2) & 0x02 != 0 { return .truncated }
        // Neither its own (AA) nor asked for (RA), and empty: a server without recursion refers to others.
        let (isOwn, isRecursive) = (bytes.byte(at: 2) & 0x04 != 0, bytes.byte(at: 3) & 0x80 != 0)
        if bytes.number(at: 6) == 0 && !isOwn && !isRecursive { return .refused(5) }
        return records(in: bytes, from: end + 4, count: Int(bytes.number(at: 6)))
    }

    /// The addresses among the records of the answer, behind aliases in whatever order those stand.
    private func records(in bytes: RawSpan, from start: Int, count: Int) -> Answer {
        var offset = start
        var aliases: [[UInt8]: (target: [UInt8], timeToLive: Int)] = [:]
        var found: [[UInt8]: [(address: [UInt8], timeToLive: Int)]] = [:]
        for _ in 0..<count {
            guard let (owner, end) = bytes.name(at: offset), end + 10 <= bytes.byteCount else { return .malformed }
            let type = bytes.number(at: end)
            let time = Int(bytes.number(at: end + 4)) << 16 | Int(bytes.number(at: end + 6))
            let length = Int(bytes.number(at: end + 8))
            let data = end + 10
            guard data + length <= bytes.byteCount else { return .malformed }
            offset = data + length
            guard bytes.number(at: end + 2) == 1 else { continue }
            // With the highest bit set it is 0 (RFC 2181, 8).
            let timeToLive = time > 0x7fff_ffff ? 0 : time
            if type == kind.rawValue {
                guard length == (kind == .a ? 4 : 16) else { return .malformed }
                found[owner, default: []].append(((0..<length).map { bytes.byte(at: data + $0) }, timeToLive))
            } else if type == 5 {
                guard let (target, _) = bytes.name(at: data) else { return .malformed }
                aliases[owner] = (target, timeToLive)
            }
        }
        var owner = Array(name.utf8)
        var timeToLive = Int.max
        for _ in 0..<Self.aliasesLimit {
            guard let alias = aliases[owner], found[owner] == nil else { break }
            owner = alias.target
            timeToLive = min(timeToLive, alias.timeToLive)
        }
        guard let addresses = found[owner] else {
            // A server that has looked says so in the authority section (RFC 2308, 2.2).
            let isSaidToBeNone = bytes.number(at: 8) > 0 || owner == Array(name.utf8) || aliases[owner] != nil
            return isSaidToBeNone ? .none : .alias(String(decoding: owner, as: UTF8.self), timeToLive: timeToLive)
        }
        timeToLive = addresses.reduce(timeToLive) { min($0, $1.timeToLive) }
        return .addresses(addresses.prefix(Self.addressesLimit).map(\.address), timeToLive: timeToLive)
    }
}

extension RawSpan {
    /// Two bytes, the more significant first; 0 beyond the end.
    fileprivate func number(at offset: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: Int(byte(at: offset)) << 8 | Int(byte(at: offset + 1)))
    }

    /// The name that begins at an offset, in lower case, labels with dots between, and where what follows it begins. Nil:
    /// it is none. A pointer (RFC 1035, 4.1.4) must lead backwards, so that no name is without end.
    fileprivate func name(at offset: Int) -> (name: [UInt8], end: Int)? {
        var name: [UInt8] = []
        var place = offset
        var end: Int?
        var least = offset
        while true {
            guard place < byteCount else { return nil }
            let length = Int(byte(at: place))
            switch length {
            case 0: return (name, end ?? place + 1)
            case 1...63:
                guard place + length < byteCount, name.count + length < 255 else { return nil }
                if !name.isEmpty { name.append(UInt8(ascii: ".")) }
                for i in 1...length { name.append(byte(at: place + i).lowercased) }
                place += 1 + length
            case 192...255:
                guard place + 1 < byteCount else { return nil }
                let target = (length & 63) << 8 | Int(byte(at: place + 1))
                guard target < least else { return nil }
                end = end ?? place + 2
                least = target
                place = target
            default: return nil
            }
        }
    }
}

extension [UInt8] {
    fileprivate mutating func append(number: UInt16) {
        append(UInt8(truncatingIfNeeded: number >> 8))
        append(UInt8(truncatingIfNeeded: number))
    }
}
