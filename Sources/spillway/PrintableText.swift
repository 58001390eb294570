/// Texts of others, for a terminal or a log: names of files, of certificates, and whatever a process that calls itself a
/// router has answered.
extension String {
    /// Without anything that a terminal would obey: control characters but line ends and tabs are written as `\u{1b}`.
    var printable: String {
        func isPlain(_ scalar: Unicode.Scalar) -> Bool {
            scalar == "\n" || scalar == "\t" || scalar.properties.generalCategory != .control
        }
        if unicodeScalars.allSatisfy(isPlain) { return self }
        return unicodeScalars.reduce(into: "") { result, scalar in
            if isPlain(scalar) {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
    }
}
