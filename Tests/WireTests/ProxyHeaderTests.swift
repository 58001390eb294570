import Testing

@testable import Wire

private enum HeaderOutcome: Equatable {
    /// `source → destination`, or `-` for nobody; and the header's bytes.
    case read(String, Int)
    case incomplete
    case refused(ProxyHeaderMalformed)
}

extension [UInt8] {
    fileprivate func header() -> HeaderOutcome {
        do throws(ProxyHeaderMalformed) {
            switch try ProxyHeader.parse(unsafe span.bytes) {
            case .incomplete: return .incomplete
            case .complete(let header, let count):
                guard let client = header.client else { return .read("-", count) }
                return .read("\(client.source.text) → \(client.destination.text)", count)
            }
        } catch {
            return .refused(error)
        }
    }
}

extension ProxiedAddress {
    fileprivate var text: String {
        var out = WriteBuffer(capacity: 64)
        encodeText(into: &out)
        return "\(out.text) \(port)"
    }
}

private let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]

private func binary(_ command: UInt8, _ family: UInt8, _ content: [UInt8]) -> [UInt8] {
    signature + [command, family, UInt8(content.count >> 8), UInt8(content.count & 255)] + content
}

private let four: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 1, 0xbb]
private let six: [UInt8] =
    [UInt8](hex: "20010db8000000000000000000000001 20010db8000000000000000000000002") + [0, 80, 1, 0xbb]

@Suite("A PROXY protocol header")
struct ProxyHeaderTests {
    private static let lines: [(String, String)] = [
        ("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443", "192.0.2.1 56324 → 198.51.100.2 443"),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535", "0.0.0.0 0 → 255.255.255.255 65535"),
        ("PROXY TCP6 2001:db8::1 ::1 1 2", "2001:db8:0:0:0:0:0:1 1 → 0:0:0:0:0:0:0:1 2"),
        ("PROXY TCP6 :: 1:2:3:4:5:6:7:8 1 2", "0:0:0:0:0:0:0:0 1 → 1:2:3:4:5:6:7:8 2"),
        // Mapped addresses are IPv4 addresses.
        ("PROXY TCP6 ::ffff:192.0.2.1 1:: 1 2", "192.0.2.1 1 → 1:0:0:0:0:0:0:0 2"),
        ("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 1 2", "192.0.2.1 1 → 192.0.2.2 2"),
        ("PROXY TCP6 ::fffe:192.0.2.1 1:: 1 2", "0:0:0:0:0:fffe:c000:201 1 → 1:0:0:0:0:0:0:0 2"),
        ("PROXY TCP6 1:2::7:8 ABCD::eF01 1 2", "1:2:0:0:0:0:7:8 1 → abcd:0:0:0:0:0:0:ef01 2"),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 → ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"
        ),
        ("PROXY UNKNOWN", "-"),
        ("PROXY UNKNOWN ffff::1 whatever it says", "-"),
    ]

    @Test("of version 1 is read", arguments: lines)
    func readsLine(line: String, expected: String) {
        let bytes = [UInt8]((line + "\r\n").utf8)
        #expect((bytes + [1, 2, 3]).header() == .read(expected, bytes.count))
        for count in 0..<bytes.count { #expect(Array(bytes[..<count]).header() == .incomplete, "\(count)") }
    }

    @Test(
        "of version 1 that could be read in two ways is refused",
        arguments: [
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 1",
            "PROXY TCP4 192.0.2.1  198.51.100.2 56324 443", "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 ",
            "PROXY TCP4 192.0.2.01 198.51.100.2 1 2", "PROXY TCP4 192.0.2.256 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2 198.51.100.2 1 2", "PROXY TCP4 192.0.2.1.1 198.51.100.2 1 2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 2", "PROXY TCP4 192.0.2.1 198.51.100.2 01 2",
            "PROXY TCP4 192.0.2.1 198.51.100.2 -1 2", "PROXY TCP4 ::1 ::1 1 2", "PROXY TCP6 192.0.2.1 192.0.2.1 1 2",
            "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2", "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2", "PROXY TCP6 ::1::2 ::1 1 2",
            "PROXY TCP6 1:2:3:4:5:6:7:8:: ::1 1 2", "PROXY TCP6 ::12345 ::1 1 2", "PROXY TCP6 1: ::1 1 2",
            "PROXY TCP6 :1 ::1 1 2", "PROXY TCP6 ::1.2.3 ::1 1 2", "PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4 ::1 1 2",
            "PROXY TCP5 1 2 3 4", "PROXY UDP4 1.1.1.1 1.1.1.1 1 2", "PROXY UNKNOWNS", "PROXY ", "PROXY TCP4",
            "PROXY TCP4 ", "PROXY tcp4 1.1.1.1 1.1.1.1 1 2",
        ])
    func refusesLine(line: String) {
        #expect([UInt8]((line + "\r\n").utf8).header() == .refused(.headerInvalid))
    }

    @Test(
        "that is none, has no end or a wrong one is refused",
        arguments: [
            ("GET / HTTP/1.1\r\n", .headerMissing), ("PROXYTCP4", .headerMissing), ("\r\n\r\nX", .headerMissing),
            ("\u{16}", .headerMissing), ("proxy ", .headerMissing),
            ("PROXY TCP4 1.1.1.1 1.1.1.1 1 2\n", .headerInvalid),
            ("PROXY UNKNOWN " + String(repeating: "x", count: 93), .headerTooLarge),
            ("PROXY UNKNOWN " + String(repeating: "x", count: 92) + "\r\n", .headerTooLarge),
        ] as [(String, ProxyHeaderMalformed)])
    func refusesOthers(text: String, reason: ProxyHeaderMalformed) {
        #expect([UInt8](text.utf8).header() == .refused(reason))
    }

    private static let binaries: [(String, [UInt8], String)] = [
        ("TCP over IPv4", binary(0x21, 0x11, four), "192.0.2.1 56324 → 198.51.100.2 443"),
        ("TCP over IPv6", binary(0x21, 0x21, six), "2001:db8:0:0:0:0:0:1 80 → 2001:db8:0:0:0:0:0:2 443"),
        ("a UNIX-domain socket", binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)), "-"),
        ("nothing", binary(0x21, 0x00, []), "-"),
        ("nothing, with extensions", binary(0x21, 0x00, [4, 0, 1, 9]), "-"),
        ("LOCAL", binary(0x20, 0x00, []), "-"),
        ("LOCAL with what is to be skipped", binary(0x20, 0x77, [1, 2, 3]), "-"),
        (
            "extensions", binary(0x21, 0x11, four + [1, 0, 2, 0x68, 0x32, 4, 0, 0, 0xe0, 0, 1, 7]),
            "192.0.2.1 56324 → 198.51.100.2 443"
        ),
        (
            "a checksum", summed(binary(0x21, 0x11, four + [3, 0, 4, 0, 0, 0, 0])), "192.0.2.1 56324 → 198.51.100.2 443"
        ),
    ]

    private static func summed(_ bytes: [UInt8]) -> [UInt8] {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder >> 1 ^ (remainder & 1 == 1 ? 0x82f6_3b78 : 0) }
        }
        return bytes.dropLast(4) + (0..<4).map { UInt8(truncatingIfNeeded: ~remainder >> (24 - 8 * $0)) }
    }

    @Test("of version 2 is read", arguments: binaries.indices)
    func readsBinary(index: Int) {
        let (what, bytes, expected) = Self.binaries[index]
        #expect((bytes + [1, 2, 3]).header() == .read(expected, bytes.count), "\(what)")
        for count in 0..<bytes.count { #expect(Array(bytes[..<count]).header() == .incomplete, "\(what), \(count)") }
    }

    private static let broken: [(String, [UInt8], ProxyHeaderMalformed)] = [
        ("version 1 in binary", binary(0x11, 0x11, four), .headerInvalid),
        ("an unknown command", binary(0x22, 0x11, four), .headerInvalid),
        ("datagrams", binary(0x21, 0x12, four), .headerInvalid),
        ("an unknown family", binary(0x21, 0x41, four), .headerInvalid),
        ("too few bytes for its addresses", binary(0x21, 0x21, four), .headerInvalid),
        ("an extension beyond the end", binary(0x21, 0x11, four + [4, 0, 2, 0]), .headerInvalid),
        ("half an extension", binary(0x21, 0x11, four + [4, 0]), .headerInvalid),
        ("a checksum of another size", binary(0x21, 0x11, four + [3, 0, 2, 0, 0]), .headerInvalid),
        ("a wrong checksum", binary(0x21, 0x11, four + [3, 0, 4, 1, 2, 3, 4]), .checksumWrong),
        ("more than is read", binary(0x21, 0x11, [UInt8](repeating: 0, count: 4_081)), .headerTooLarge),
    ]

    @Test("of version 2 that is broken is refused", arguments: broken.indices)
    func refusesBinary(index: Int) {
        let (what, bytes, reason) = Self.broken[index]
        #expect(bytes.header() == .refused(reason), "\(what)")
    }

    @Test("has the checksum of RFC 3720")
    func sums() {
        let zeros = [UInt8](repeating: 0, count: 32)
        #expect(ProxyHeader.checksum(unsafe zeros.span.bytes, without: 0..<0) == 0x8a91_36aa)
    }

    @Test("is written as it is read, in both versions", arguments: ProxyHeader.Version.allCases)
    func roundTrips(version: ProxyHeader.Version) throws {
        for bytes in [binary(0x21, 0x11, four), binary(0x21, 0x21, six), binary(0x21, 0x00, [])] {
            guard case .complete(let header, _) = try ProxyHeader.parse(unsafe bytes.span.bytes) else { continue }
            var out = WriteBuffer(capacity: 256)
            header.encode(version, into: &out)
            let sent = out.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
            #expect(try ProxyHeader.parse(unsafe sent.span.bytes) == .complete(header, headerBytes: sent.count))
            if version == .v2 { #expect(sent == bytes) }
        }
    }

    @Test("tells addresses of two families as IPv6 ones", arguments: ProxyHeader.Version.allCases)
    func mixesFamilies(version: ProxyHeader.Version) throws {
        let line = Array("PROXY TCP6 ::ffff:192.0.2.1 1:: 1 2\r\n".utf8)
        guard case .complete(let header, _) = try ProxyHeader.parse(unsafe line.span.bytes) else {
            Issue.record("not read")
            return
        }
        var out = WriteBuffer(capacity: 256)
        header.encode(version, into: &out)
        let sent = out.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
        #expect(try ProxyHeader.parse(unsafe sent.span.bytes) == .complete(header, headerBytes: sent.count))
    }

    @Test("of ours is LOCAL, or UNKNOWN in version 1")
    func writesLocal() {
        var out = WriteBuffer(capacity: 256)
        ProxyHeader.encodeLocal(.v1, into: &out)
        #expect(out.text == "PROXY UNKNOWN\r\n")
        out.clear()
        ProxyHeader.encodeLocal(.v2, into: &out)
        #expect(out.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } } == binary(0x20, 0, []))
    }
}
