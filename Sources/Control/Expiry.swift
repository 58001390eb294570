internal import TLS

/// What is told of a certificate that ends soon, or has ended.
struct ExpiryNotice: Equatable {
    let isError: Bool
    let text: String

    private static func error(_ text: String) -> ExpiryNotice { ExpiryNotice(isError: true, text: text) }
    private static func warning(_ text: String) -> ExpiryNotice { ExpiryNotice(isError: false, text: text) }

    /// `name expires in 12 days`; nil where that is a month or more away, or it has expired.
    private static func soon(_ name: String, _ notAfter: Int64, now: Int64) -> ExpiryNotice? {
        let days = (notAfter - now) / 86_400
        guard notAfter > now, days < 30 else { return nil }
        let text = "\(name) expires in \(days) days"
        return days < 7 ? error(text) : warning(text)
    }

    /// - Parameter now: seconds since 1970.
    static func all(of certificate: ServerCertificate, now: Int64) -> [ExpiryNotice] {
        let file = certificate.file
        let end =
            certificate.notAfter <= now
            ? error("\(file) has expired") : soon(file, certificate.notAfter, now: now)
        let begin = certificate.notBefore > now ? warning("\(file) is not valid yet") : nil
        return [end, begin].compactMap { $0 }
    }

    /// Authorities of one file: a bundle may well have old ones beside those that count, but not old ones alone.
    static func all(of authorities: [Authority], in file: String, now: Int64) -> [ExpiryNotice] {
        guard !authorities.isEmpty else { return [] }
        let expired = authorities.filter { $0.notAfter <= now }
        let good = authorities.filter { $0.notAfter > now }
        if good.isEmpty {
            let which = expired.count == 1 ? "its only authority has" : "all of its \(expired.count) authorities have"
            return [error("\(file): \(which) expired, no certificate is good: \(expired[0].subject)")]
        }
        var notices: [ExpiryNotice] = []
        if let first = expired.first {
            notices.append(
                warning("\(file): \(expired.count) of \(authorities.count) authorities expired: \(first.subject)"))
        }
        if let next = good.min(by: { $0.notAfter < $1.notAfter }),
            let notice = soon("\(file): the authority \(next.subject)", next.notAfter, now: now)
        {
            notices.append(notice)
        }
        if let early = good.first(where: { $0.notBefore > now }) {
            notices.append(warning("\(file): the authority \(early.subject) is not valid yet"))
        }
        return notices
    }
}

extension [Authority] {
    /// When the next of them expires that has not; where all have, when the last did. Nil of none.
    func expiry(now: Int64) -> Int64? {
        filter { $0.notAfter > now }.map(\.notAfter).min() ?? map(\.notAfter).max()
    }
}
