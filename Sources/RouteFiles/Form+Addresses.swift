internal import RouteTable

/// Addresses, hosts and names as tables write them.
enum AddressText {
    /// The longest path a UNIX-domain socket can have (`sun_path` without its terminating zero).
    static let socketPathLimit = 107

    /// The parts of `host:port`, `[::1]:port` or `unix:/path`.
    enum Parts {
        case ip(IPAddress, port: UInt16)
        case name(String, port: UInt16)
        case unix(String)
    }

    static func parts(_ text: String) -> Parts? {
        if text.hasPrefix("unix:") {
            let path = text.dropFirst(5)
            guard path.hasPrefix("/"), path.utf8.count <= socketPathLimit, !path.hasSuffix("/"),
                path.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
            else { return nil }
            return .unix(String(path))
        }
        guard let colon = text.lastIndex(of: ":"), let number = NumberText.integer(text[text.index(after: colon)...]),
            let port = UInt16(exactly: number)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = IPAddress(String(host.dropFirst().dropLast())), !address.isFour else { return nil }
            return .ip(address, port: port)
        }
        if let address = IPAddress(String(host)) { return address.isFour ? .ip(address, port: port) : nil }
        // A final dot stays: what it ends is absolute, for the DNS.
        return hostName(host).map { .name(host.hasSuffix(".") ? $0 + "." : $0, port: port) }
    }

    /// A host name in small letters: labels of letters, digits, `-` and `_`, at most 253 bytes, the last label not a
    /// number (else it is a mistyped address). A dot at the end is dropped.
    static func hostName(_ text: some StringProtocol) -> String? {
        let name = text.hasSuffix(".") ? String(text.dropLast()) : String(text)
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard name.utf8.count <= 253, let last = labels.last, !last.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        for label in labels {
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-"),
                label.allSatisfy(isNameByte)
            else { return nil }
        }
        return name.lowercased()
    }

    /// `host` or `host:port`, the host in small letters, as Host has it.
    static func authority(_ text: some StringProtocol) -> String? {
        let text = String(text)
        if case .ip(let address, let port)? = parts(text), port > 0 {
            return (address.isFour ? "\(address)" : "[\(address)]") + ":\(port)"
        }
        if case .name(let name, let port)? = parts(text), port > 0 { return "\(name.withoutFinalDot):\(port)" }
        if text.hasPrefix("["), text.hasSuffix("]"), let address = IPAddress(String(text.dropFirst().dropLast())) {
            return address.isFour ? nil : "[\(address)]"
        }
        if let address = IPAddress(text) { return address.isFour ? "\(address)" : nil }
        return hostName(text)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }

    /// A name of a listener, region or service: 1 to 63 letters, digits, `.`, `_` and `-`, a letter or digit first.
    static func isName(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 63 else { return false }
        return first != UInt8(ascii: "-") && first != UInt8(ascii: "_") && first != UInt8(ascii: ".")
            && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ".") }
    }

    /// A field name or method (RFC 9110, section 5.6.2).
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 256
            && text.utf8.allSatisfy {
                switch $0 {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains($0)
                }
            }
    }

    /// Without spaces and tabs around it.
    static func trimmed(_ text: String) -> String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = text.drop(while: isSpace)
        guard let last = start.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(start[...last])
    }

    /// Whether a text can stand for a path: it begins with `/` and has nothing that cannot be in a request's.
    static func isPath(_ text: String, withQuery: Bool = false) -> Bool {
        text.hasPrefix("/") && text.utf8.count <= 2_048
            && text.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && (withQuery || $0 != UInt8(ascii: "?"))
            }
    }
}

extension Forms {
    static let address = Form<EndpointHost>.parsed(
        FormType(
            name: "address",
            expectation: "an address such as 10.0.1.10:8080, [::1]:8080, west.internal:8080 or unix:/path",
            schema: .object(["type": "string"]))
    ) { text in
        switch AddressText.parts(text) {
        case .ip(let address, let port) where port > 0: .value(.ip(address: "\(address)", port: port))
        case .name(let name, let port) where port > 0: .value(.name(name, port: port))
        case .unix(let path): .value(.unix(path: path))
        default: .nothing(suggestion: bracketed(text))
        }
    } write: {
        .text("\($0)")
    }

    static let bind = Form<BindAddress>.parsed(
        FormType(
            name: "numeric address", expectation: "a numeric address such as 0.0.0.0:8080, [::]:8080 or unix:/path",
            schema: .object(["type": "string"]))
    ) { text in
        switch AddressText.parts(text) {
        case .ip(let address, let port): .value(.ip(address: "\(address)", port: port))
        case .unix(let path): .value(.unix(path: path))
        case .name("localhost", let port), .name("localhost.", let port): .nothing(suggestion: "127.0.0.1:\(port)")
        case .name: .nothing(suggestion: nil)
        case nil:
            if text.hasPrefix("*:") || text.hasPrefix(":"), !text.hasPrefix("::") {
                .nothing(suggestion: "0.0.0.0:\(text.drop { $0 == "*" || $0 == ":" })")
            } else {
                .nothing(suggestion: bracketed(text))
            }
        }
    } write: {
        .text("\($0)")
    }
}

/// `[::1]:8080` for `::1:8080`, which could be read in two ways.
private func bracketed(_ text: String) -> String? {
    guard let colon = text.lastIndex(of: ":"), let address = IPAddress(String(text[..<colon])), !address.isFour,
        NumberText.integer(text[text.index(after: colon)...]) != nil
    else { return nil }
    return "[\(address)]\(text[colon...])"
}

extension Forms {
    static let block = Form<AddressBlock>.parsed(
        FormType(
            name: "addresses", expectation: "an address or a range such as 10.0.0.0/8 or ::1",
            schema: .object(["type": "string"]))
    ) { text in
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return .nothing(suggestion: nil) }
        let limit = address.bytes.count * 8
        guard let bits = parts.count == 1 ? limit : NumberText.integer(parts[1]), bits <= limit else {
            return .nothing(suggestion: nil)
        }
        var masked = address.bytes
        for bit in bits..<limit { masked[bit / 8] &= ~(0x80 >> UInt8(bit % 8)) }
        let block = AddressBlock(bytes: masked, prefixBits: bits).unmapped
        // A bit beyond the prefix is a slip somewhere: in the address or in the length.
        return masked == address.bytes ? .value(block) : .nothing(suggestion: "\(block)")
    } write: {
        .text("\($0)")
    }

    static let host = Form<HostMatch>.parsed(
        FormType(
            name: "host", expectation: "a host such as shop.example.com or *.example.com, without a port",
            schema: .object(["type": "string"]))
    ) { text in
        if text == "*" { return .wrong("found \"*\"", expected: "no `host` at all, which matches every host") }
        if text.hasPrefix("*.") {
            return AddressText.hostName(text.dropFirst(2)).map { .value(.wildcard($0)) } ?? .nothing(suggestion: nil)
        }
        if let address = IPAddress(text), address.isFour { return .value(.exact(text)) }
        if text.hasPrefix("["), text.hasSuffix("]"), let address = IPAddress(String(text.dropFirst().dropLast())) {
            return address.isFour ? .nothing(suggestion: "\(address)") : .value(.exact("[\(address)]"))
        }
        if let name = AddressText.hostName(text) { return .value(.exact(name)) }
        // With a port, or as a URL.
        let bare = text.split(separator: "://").last?.prefix { $0 != ":" && $0 != "/" } ?? ""
        return .nothing(suggestion: AddressText.hostName(bare))
    } write: {
        .text("\($0)")
    }
}

extension Forms {
    /// Names of fields, in small letters.
    static let fieldName = Form<String>.text(
        "field name", expectation: "the name of a field, such as x-canary", pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
    ) { text in
        AddressText.isToken(text) ? .value(text.lowercased()) : .nothing(suggestion: nil)
    }

    /// Values of fields, without white space around them.
    static let fieldValue = Form<String>.parsed(
        FormType(
            name: "text", expectation: "the value of a field: up to 8KiB on one line",
            schema: SharedSchema.reference("text"))
    ) { text in
        guard text.utf8.count <= 8_192, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
            return .nothing(suggestion: nil)
        }
        return .value(AddressText.trimmed(text))
    } write: {
        .text($0)
    }

    /// Names of protocols (RFC 7301): up to 255 bytes, in practice words.
    static let protocolName = Form<String>.text(
        "protocol", expectation: "the name of a protocol, such as h2 or http/1.1", pattern: "^[!-~]{1,255}$"
    ) { text in
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            ? .value(text) : .nothing(suggestion: nil)
    }

    static let plainPath: Form<String> = requestPath(withQuery: false)
    static let pathAndQuery: Form<String> = requestPath(withQuery: true)

    private static func requestPath(withQuery: Bool) -> Form<String> {
        .text(
            "path", expectation: "a path that begins with /" + (withQuery ? "" : ", without a query"), pattern: "^/"
        ) { text in
            if AddressText.isPath(text, withQuery: withQuery) { return .value(text) }
            let meant = "/" + text
            return .nothing(suggestion: !text.isEmpty && AddressText.isPath(meant, withQuery: withQuery) ? meant : nil)
        }
    }

    static let method = Form<String>.text(
        "method", expectation: "a method in capitals, such as GET", pattern: "^[!#$%&'*+.^_`|~0-9A-Z-]+$"
    ) { text in
        guard AddressText.isToken(text) else { return .nothing(suggestion: nil) }
        return text == text.uppercased() ? .value(text) : .nothing(suggestion: text.uppercased())
    }
}
