/// Which codings of a page a client accepts: its Accept-Encoding field (RFC 9110, 12.5.3).
package struct AcceptEncoding {
    /// By coding, in lower case, in thousandths; the first mention counts.
    private var weights: [String: Int] = [:]

    /// - Parameter field: several fields are joined by commas; nil: none was sent.
    package init(_ field: String?) {
        for member in (field ?? "").split(separator: ",") {
            let parts = member.split(separator: ";", omittingEmptySubsequences: false).map { Self.trimmed($0) }
            // A member that is malformed accepts nothing: the page as it is can always be read.
            guard let coding = parts.first, !coding.isEmpty, parts.count <= 2,
                let weight = parts.count == 1 ? 1_000 : Self.weight(parts[1])
            else { continue }
            let name = coding.lowercased()
            if weights[name] == nil { weights[name] = weight }
        }
    }

    /// Whether gzip is accepted, by name or by `*`, and not less than the page as it is, where that is named. Without a field
    /// every coding is acceptable, but who sends none may well not know any.
    package var prefersGzip: Bool {
        let gzip = weights["gzip"] ?? weights["x-gzip"] ?? weights["*"] ?? 0
        return gzip > 0 && gzip >= weights["identity"] ?? 0
    }

    /// `q=0.5` as 500; nil if it is none: one digit, and at most three behind the point.
    private static func weight(_ text: Substring) -> Int? {
        guard text.prefix(2).lowercased() == "q=" else { return nil }
        let digits = Array(text.dropFirst(2).utf8)
        guard let first = digits.first, first == UInt8(ascii: "0") || first == UInt8(ascii: "1"), digits.count <= 5,
            digits.count == 1 || digits[1] == UInt8(ascii: "."),
            digits.dropFirst(2).allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        let fraction = digits.dropFirst(2).map { Int($0 - UInt8(ascii: "0")) } + [0, 0, 0]
        let weight = (first == UInt8(ascii: "1") ? 1_000 : 0) + fraction[0] * 100 + fraction[1] * 10 + fraction[2]
        return weight <= 1_000 ? weight : nil
    }

    /// Without spaces and tabs around it.
    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " || $0 == "\t" }
        return start.lastIndex { $0 != " " && $0 != "\t" }.map { start[...$0] } ?? ""
    }
}
