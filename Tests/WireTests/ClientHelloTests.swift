import Testing

@testable import Wire

/// What a hello says, in values that can be compared.
private struct ReadHello: Equatable {
    var name = ""
    var protocols: [String] = []
    var early = false
    var resumes = false
    var count: Int
}

private enum HelloOutcome: Equatable {
    case read(ReadHello)
    case incomplete
    case refused(HelloMalformed)
}

extension [UInt8] {
    fileprivate func hello() -> HelloOutcome {
        var hello = ClientHello()
        do throws(HelloMalformed) {
            guard case .complete(let count) = try hello.read(unsafe span.bytes) else { return .incomplete }
            var protocols: [String] = []
            _ = hello.offers { name in
                protocols.append(text(name))
                return false
            }
            return .read(
                ReadHello(
                    name: hello.withServerName { text($0) }, protocols: protocols, early: hello.carriesEarlyData,
                    resumes: hello.carriesPreSharedKey, count: count))
        } catch {
            return .refused(error)
        }
    }

    private func text(_ bytes: RawSpan) -> String {
        String(decoding: (0..<bytes.byteCount).map { bytes.byte(at: $0) }, as: UTF8.self)
    }
}

/// A hello made by hand: extensions as they are given, or none at all.
private func made(_ extensions: [(Int, [UInt8])]?, session: Int = 0, ciphers: Int = 2, kind: UInt8 = 1) -> [UInt8] {
    var body: [UInt8] = [3, 3] + [UInt8](repeating: 7, count: 32)
    body += [UInt8(session)] + [UInt8](repeating: 1, count: session)
    body += number(ciphers, 2) + [UInt8](repeating: 1, count: ciphers) + [1, 0]
    if let extensions {
        let content = extensions.flatMap { number($0.0, 2) + number($0.1.count, 2) + $0.1 }
        body += number(content.count, 2) + content
    }
    return [kind] + number(body.count, 3) + body
}

/// A handshake message in records of so many bytes.
private func records(_ message: [UInt8], of size: Int = 16_384) -> [UInt8] {
    stride(from: 0, to: message.count, by: size).flatMap { start in
        let part = message[start..<min(start + size, message.count)]
        return [22, 3, 1] + number(part.count, 2) + part
    }
}

private func number(_ value: Int, _ bytes: Int) -> [UInt8] {
    (0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * (bytes - 1 - $0))) }
}

private func name(_ text: String, kind: UInt8 = 0) -> (Int, [UInt8]) {
    let bytes = [UInt8](text.utf8)
    return (0, number(bytes.count + 3, 2) + [kind] + number(bytes.count, 2) + bytes)
}

private func protocols(_ names: [String]) -> (Int, [UInt8]) {
    let list = names.flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
    return (16, number(list.count, 2) + list)
}

@Suite("A ClientHello")
struct ClientHelloTests {
    private static let real: [([UInt8], ReadHello)] = [
        (Hellos.modern, ReadHello(name: "Shop.Example.com", protocols: ["h2", "http/1.1"], count: 517)),
        (Hellos.nameless, ReadHello(count: 517)),
        (Hellos.old, ReadHello(name: "db.example", count: 181)),
        (Hellos.early, ReadHello(name: "early.example", early: true, resumes: true, count: 346)),
    ]

    @Test("of a real client is read", arguments: real.indices)
    func readsReal(index: Int) {
        let (bytes, expected) = Self.real[index]
        #expect(bytes.hello() == .read(expected))
    }

    @Test("that comes byte by byte is read when its last has come, and not before", arguments: real.indices)
    func readsPieces(index: Int) {
        let (bytes, expected) = Self.real[index]
        for count in 0..<expected.count {
            #expect(Array(bytes[..<count]).hello() == .incomplete, "\(count)")
        }
        #expect(Array(bytes[..<expected.count]).hello() == .read(expected))
    }

    @Test("may be cut into records anywhere", arguments: [1, 2, 3, 5, 50, 511])
    func readsRecords(size: Int) {
        let message = Array(Hellos.modern[5...])
        let bytes = records(message, of: size)
        #expect(
            bytes.hello()
                == .read(ReadHello(name: "Shop.Example.com", protocols: ["h2", "http/1.1"], count: bytes.count)))
        #expect(Array(bytes.dropLast()).hello() == .incomplete)
        #expect((bytes + [23, 3, 3, 0, 1, 9]).hello() == bytes.hello())
    }

    @Test(
        "with a name that is a host's is read",
        arguments: [
            "a", "a.b", "xn--bcher-kva.example", "_srv.example.", "192.0.2.1", "A-1.example",
            String(repeating: "a", count: 63) + ".example",
        ])
    func readsNames(text: String) {
        guard case .read(let hello) = records(made([name(text)])).hello() else {
            Issue.record("\(text) is refused")
            return
        }
        #expect(hello.name == text)
    }

    @Test(
        "with a name that is none is refused",
        arguments: [
            "", ".", "a..b", ".a", "a b", "a/b", "a:443", "[::1]", "a\0", "é.example", "a.example..", "*.example",
            String(repeating: "a", count: 64), String(repeating: "a.", count: 127) + "a",
        ])
    func refusesNames(text: String) {
        #expect(records(made([name(text)])).hello() == .refused(.serverNameInvalid))
    }

    private static let hostile: [(String, [UInt8], HelloMalformed)] = [
        ("HTTP", [UInt8]("GET / HTTP/1.1\r\n".utf8), .notTLS),
        ("SSL 2", [0x80, 0x2e, 1, 3, 1], .notTLS),
        ("an alert", [21, 3, 1, 0, 2, 1, 0], .notTLS),
        ("another major version", [22, 2, 0, 0, 1, 1], .notTLS),
        ("an empty record", [22, 3, 1, 0, 0], .recordInvalid),
        ("a record too large", [22, 3, 1, 0x40, 1], .recordInvalid),
        ("an alert between records", records(made([]), of: 20).prefix(25) + [21], .recordInvalid),
        ("a ServerHello", records(made([], kind: 2)), .helloMissing),
        ("a length beyond all", [22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], .helloTooLarge),
        (
            "padding beyond the limit", records(made([(21, [UInt8](repeating: 0, count: 16_380))])), .helloTooLarge
        ),
        (
            "records of one byte beyond the limit",
            records(made([(21, [UInt8](repeating: 0, count: 3_000))]), of: 1), .helloTooLarge
        ),
        ("another message in its record", records(made([]) + [1, 0, 0, 0]), .helloInvalid),
        ("an empty message", records([1, 0, 0, 0]), .helloInvalid),
        ("a session beyond 32 bytes", records(made([], session: 33)), .helloInvalid),
        ("no ciphers", records(made([], ciphers: 0)), .helloInvalid),
        ("half a cipher", records(made([], ciphers: 3)), .helloInvalid),
        ("bytes behind its extensions", records([1, 0, 0, 44] + made([])[4...] + [0]), .helloInvalid),
        ("the name twice", records(made([name("a"), name("a")])), .helloInvalid),
        ("protocols twice", records(made([protocols(["a"]), protocols(["a"])])), .helloInvalid),
        ("something behind a pre-shared key", records(made([(41, []), name("a")])), .helloInvalid),
        ("a name of another kind", records(made([name("a", kind: 1)])), .serverNameInvalid),
        ("two names", records(made([(0, [0, 8, 0, 0, 1, 97, 0, 0, 1, 98])])), .serverNameInvalid),
        ("a name beyond its list", records(made([(0, [0, 3, 0, 0, 1, 97])])), .serverNameInvalid),
        ("no list of names", records(made([(0, [])])), .serverNameInvalid),
        ("no protocol in the list", records(made([protocols([])])), .protocolsInvalid),
        ("an empty protocol", records(made([protocols(["h2", ""])])), .protocolsInvalid),
        ("a protocol beyond its list", records(made([(16, [0, 2, 5, 97])])), .protocolsInvalid),
    ]

    @Test("that is none is refused with its reason", arguments: hostile.indices)
    func refuses(index: Int) {
        let (what, bytes, reason) = Self.hostile[index]
        #expect(bytes.hello() == .refused(reason), "\(what)")
    }

    @Test("is refused by any part exactly as by the whole, or not yet", arguments: hostile.indices)
    func partsAgree(index: Int) {
        let (what, bytes, _) = Self.hostile[index]
        for count in stride(from: 0, to: bytes.count, by: bytes.count > 2_000 ? 97 : 1) {
            let part = Array(bytes[..<count]).hello()
            #expect(part == .incomplete || part == bytes.hello(), "\(what) after \(count)")
        }
    }

    @Test("of the old kind, without extensions, is read")
    func readsOld() {
        #expect(records(made(nil)).hello() == .read(ReadHello(count: 50)))
    }

    @Test("leaves nothing behind for the next one")
    func forgets() throws {
        var hello = ClientHello()
        for bytes in [Hellos.early, Hellos.nameless] { _ = try hello.read(unsafe bytes.span.bytes) }
        #expect(!hello.carriesEarlyData && !hello.carriesPreSharedKey)
        #expect(hello.withServerName { $0.isEmpty } && !hello.offers { _ in true })
    }

    @Test("says why it was refused in a word that is its own")
    func reasonsDiffer() {
        #expect(Set(HelloMalformed.allCases.map { "\($0.reason)" }).count == HelloMalformed.allCases.count)
    }
}
