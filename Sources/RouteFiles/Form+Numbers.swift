internal import RouteTable

extension Form where Value == Int {
    static func integer(_ bounds: ClosedRange<Int>) -> Form {
        let type = FormType(
            name: "integer, \(bounds.lowerBound) to \(bounds.upperBound)",
            expectation: "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)",
            schema: .object([
                "type": .array(["integer", "string"]), "minimum": .number(bounds.lowerBound),
                "maximum": .number(bounds.upperBound), "pattern": #"^[0-9]+$|\$\{"#,
            ]))
        return .parsed(type) { text in
            guard let number = NumberText.integer(text), bounds.contains(number) else {
                return .nothing(suggestion: nil)
            }
            return .value(number)
        } write: {
            .word("\($0)")
        }
    }

    /// Bytes.
    static func size(_ bounds: ClosedRange<Int>) -> Form {
        let range = "\(bounds.lowerBound.sizeText) to \(bounds.upperBound.sizeText)"
        let type = FormType(
            name: "size, \(range)", expectation: "a size such as 32KiB, 1MiB or a number of bytes, from \(range)",
            schema: SharedSchema.reference("size"))
        return .parsed(type) { text in
            guard let bytes = NumberText.size(text) else {
                return .nothing(suggestion: NumberText.sizeMeant(text))
            }
            return bounds.contains(bytes) ? .value(bytes) : .nothing(suggestion: nil)
        } write: {
            .word($0.sizeText)
        }
    }

    /// A percentage, in ten-thousandths.
    static func share(_ bounds: ClosedRange<Int>) -> Form {
        let range = "\(bounds.lowerBound.percentText) to \(bounds.upperBound.percentText)"
        let type = FormType(
            name: "percentage, \(range)", expectation: "a percentage such as 20% or 0.5%, from \(range)",
            schema: SharedSchema.reference("percentage"))
        return .parsed(type) { text in
            guard let share = NumberText.share(text) else {
                // Without the sign, if that is all there is to it.
                return .nothing(
                    suggestion: NumberText.share(text + "%").map { bounds.contains($0) } == true ? text + "%" : nil)
            }
            return bounds.contains(share) ? .value(share) : .nothing(suggestion: nil)
        } write: {
            .word($0.percentText)
        }
    }
}

extension Form where Value == UInt16 {
    static func port(from lowest: UInt16 = 1) -> Form {
        Form<Int>.integer(Int(lowest)...65_535).mapped {
            UInt16($0)
        } _: {
            Int($0)
        }
    }
}

extension Form where Value == Duration {
    static func duration(_ bounds: ClosedRange<Duration>) -> Form {
        let range = "\(bounds.lowerBound.tableText) to \(bounds.upperBound.tableText)"
        let type = FormType(
            name: "duration, \(range)", expectation: "a duration such as 500ms, 2s or 1m, from \(range)",
            schema: SharedSchema.reference("duration"))
        return .parsed(type) { text in
            guard let duration = NumberText.duration(text) else {
                return .nothing(suggestion: NumberText.durationMeant(text))
            }
            return bounds.contains(duration) ? .value(duration) : .nothing(suggestion: nil)
        } write: {
            .word($0.tableText)
        }
    }
}

/// Numbers with their units, as tables write them. Nothing here traps, however long the text.
enum NumberText {
    /// Decimal digits alone.
    static func integer(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.count <= 18, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    /// `12`, `0.25`: in units of ten to the minus `digits`; more digits than that are not a number.
    private static func decimal(_ text: Substring, digits: Int) -> Int? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = integer(parts[0]) else { return nil }
        var scaled = whole
        for _ in 0..<digits {
            let (product, overflow) = scaled.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            scaled = product
        }
        guard parts.count == 2 else { return scaled }
        guard parts[1].utf8.count <= digits, let fraction = integer(parts[1]) else { return nil }
        let missing = digits - parts[1].utf8.count
        let (sum, overflow) = scaled.addingReportingOverflow((0..<missing).reduce(fraction) { value, _ in value * 10 })
        return overflow ? nil : sum
    }

    /// `250` or `0.5`, in thousandths.
    static func thousandths(_ text: String) -> Int? { decimal(text[...], digits: 3) }

    static func share(_ text: String) -> Int? {
        guard text.hasSuffix("%") else { return nil }
        return decimal(text.dropLast(), digits: 2)
    }

    private static let durationUnits: [(String, microseconds: Int)] = [
        ("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000),
    ]

    static func duration(_ text: String) -> Duration? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text[number.endIndex...]
        guard let (_, microseconds) = durationUnits.first(where: { $0.0 == unit }),
            let thousandths = decimal(number, digits: 3)
        else { return nil }
        let (product, overflow) = thousandths.multipliedReportingOverflow(by: microseconds)
        if overflow || product % 1_000 != 0 { return nil }
        return .microseconds(product / 1_000)
    }

    /// What somebody may have meant who wrote `5`, `5 s`, `5sec` or `1min`.
    static func durationMeant(_ text: String) -> String? {
        let (number, unit) = split(text)
        let known: [String: String] = [
            "": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "s": "s", "min": "m", "mins": "m",
            "minute": "m", "minutes": "m", "m": "m", "hour": "h", "hours": "h", "hr": "h", "h": "h", "msec": "ms",
            "millis": "ms", "milliseconds": "ms", "ms": "ms", "µs": "us", "μs": "us", "usec": "us", "us": "us",
        ]
        guard let unit = known[unit], duration(number + unit) != nil else { return nil }
        return number + unit
    }

    private static let sizeUnits: [(String, Int)] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)]

    static func size(_ text: String) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = integer(digits), let unit = sizeUnits.first(where: { $0.0 == text[digits.endIndex...] })
        else {
            return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit.1)
        return overflow ? nil : product
    }

    /// What somebody may have meant who wrote `32K`, `32kb` or `32 KiB`.
    static func sizeMeant(_ text: String) -> String? {
        let (number, unit) = split(text)
        let known: [String: String] = [
            "k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB",
            "gib": "GiB", "b": "", "bytes": "",
        ]
        guard let unit = known[unit], size(number + unit) != nil else { return nil }
        return number + unit
    }

    /// A number and what follows it, in small letters and without spaces.
    private static func split(_ text: String) -> (number: String, unit: String) {
        let packed = text.filter { $0 != " " }
        let number = packed.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        return (String(number), packed[number.endIndex...].lowercased())
    }
}

/// Times as a table writes them, for those who take them elsewhere.
package enum DurationText {
    /// Whole seconds of `90s`, `30m` or `2h`; nil if it is none.
    package static func seconds(_ text: String) -> Int? {
        NumberText.duration(text).map { Int($0.components.seconds) }
    }
}

/// Percentages as a table writes them, for those who take them elsewhere.
package enum ShareText {
    /// Ten-thousandths of `5%` or `0.5%`, 0 to 10,000; nil if it is none.
    package static func tenThousandths(_ text: String) -> Int? {
        NumberText.share(text).flatMap { (0...10_000).contains($0) ? $0 : nil }
    }
}
