/// A moment as the 29 bytes of a Date field (RFC 9110, 5.6.7: IMF-fixdate).
package struct HTTPDate: Sendable {
    private(set) var bytes = InlineArray<29, UInt8>(repeating: 0x20)

    /// From seconds since 1970; years 0 to 9999, beyond which the nearest such second is meant.
    package init(unixSeconds: Int64) {
        let seconds = max(-62_167_219_200, min(unixSeconds, 253_402_300_799))
        var days = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            rest += 86_400
            days -= 1
        }
        // 1 January 1970 was a Thursday.
        let weekday = Int(((days + 4) % 7 + 7) % 7)
        let (year, month, day) = Self.civil(days)
        write("SunMonTueWedThuFriSat", 3 * weekday, 3, at: 0)
        write(",", 0, 1, at: 3)
        write(day, 2, at: 5)
        write("JanFebMarAprMayJunJulAugSepOctNovDec", 3 * (month - 1), 3, at: 8)
        write(year, 4, at: 12)
        write(Int(rest / 3_600), 2, at: 17)
        write(":", 0, 1, at: 19)
        write(Int(rest / 60 % 60), 2, at: 20)
        write(":", 0, 1, at: 22)
        write(Int(rest % 60), 2, at: 23)
        write("GMT", 0, 3, at: 26)
    }

    private mutating func write(_ text: StaticString, _ from: Int, _ count: Int, at place: Int) {
        precondition(from + count <= text.utf8CodeUnitCount)
        // Within the literal by the line above.
        for i in 0..<count { bytes[place + i] = unsafe text.utf8Start[from + i] }
    }

    private mutating func write(_ number: Int, _ digits: Int, at place: Int) {
        var number = number
        for i in (0..<digits).reversed() {
            bytes[place + i] = UInt8(truncatingIfNeeded: 0x30 + number % 10)
            number /= 10
        }
    }

    /// Days since 1970 to a date of the Gregorian calendar, by counting years from March so that the leap day is the
    /// last of its year (Howard Hinnant, "chrono-compatible low-level date algorithms").
    private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (Int(year), Int(month), Int(day))
    }
}
