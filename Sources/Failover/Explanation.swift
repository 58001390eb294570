/// Why something is as it is: sentences for people, each with what it rests on.
package struct Explanation: Sendable, Codable, Equatable {
    package struct Statement: Sendable, Codable, Equatable {
        package var text: String
        /// A line each.
        package var evidence: [String]

        init(_ text: String, _ evidence: [String] = []) {
            self.text = text
            self.evidence = evidence
        }
    }

    package struct Section: Sendable, Codable, Equatable {
        package var title: String
        package var statements: [Statement]
    }

    package enum Kind: String, Sendable, Codable { case service, region }

    package var kind: Kind
    /// The service's or region's name.
    package var name: String
    /// The service is where it would rather be, all of it, and could be elsewhere; the region serves.
    package var isAsPreferred: Bool
    /// What is so now.
    package var headline: Statement
    /// Those that have something to say.
    package var sections: [Section]

    init(_ kind: Kind, _ name: String, isAsPreferred: Bool, headline: Statement, _ sections: [(String, [Statement])]) {
        self.kind = kind
        self.name = name
        self.isAsPreferred = isAsPreferred
        self.headline = headline
        self.sections = sections.filter { !$0.1.isEmpty }.map { Section(title: $0.0, statements: $0.1) }
    }
}

/// Explanations of one moment.
package struct Explanations: Sendable, Codable, Equatable {
    /// UTC, ISO 8601: when the router was last told anything.
    package var time: String
    /// What concerns everything.
    package var notes: [Explanation.Statement]
    package var subjects: [Explanation]
}

/// There is no such service, region or both.
package struct UnknownName: Error, Sendable, CustomStringConvertible {
    package let description: String
}
