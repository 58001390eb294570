/// What a name of an endpoint stands for, as last known: an answer that is an error, or empty, changes nothing. On
/// 20 October 2025 an empty answer for a name removed every backend behind it.
package struct KnownAddresses: Sendable, Equatable {
    package private(set) var addresses: [String]

    package init(addresses: [String] = []) {
        self.addresses = addresses
    }

    package enum Change: Sendable, Equatable {
        case none, changed
        /// It said nothing; what was known stays.
        case kept
    }

    /// - Parameter answer: nil: an error.
    package mutating func answered(_ answer: [String]?) -> Change {
        guard let answer, !answer.isEmpty else { return .kept }
        if answer == addresses { return .none }
        addresses = answer
        return .changed
    }
}
