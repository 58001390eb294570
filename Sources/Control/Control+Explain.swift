internal import Failover
internal import Foundation

/// Answers to those who ask why, and what if: JSON of `Explanations` and `WhatIf`.
extension Control {
    /// What was asked for, or why it cannot be told.
    package enum Answer: Sendable {
        case json(String)
        /// There is no such thing.
        case unknown(String)
    }

    /// Why a service or region is as it is; without a name, all that are not as preferred.
    package func explain(_ name: String?) async -> Answer {
        // The brain is not held up by its explanations.
        let (brain, decisions) = (brain, memory.decisions)
        return await Task.detached {
            Self.answer { () throws(UnknownName) in
                if let name { try brain.explanations(of: name, decisions) } else { brain.explanations(decisions) }
            }
        }.value
    }

    /// What would become of traffic if regions were lost.
    ///
    /// - Parameter demand: thousandths of a request per second, in place of what is measured.
    package func whatIf(losing lost: [String], demand: [(service: String, perSecond: Int)]) async -> Answer {
        let brain = brain
        return await Task.detached {
            Self.answer { () throws(UnknownName) in try brain.imagining(demand: demand).whatIf(losing: lost) }
        }.value
    }

    private static func answer(_ make: () throws(UnknownName) -> some Encodable) -> Answer {
        do throws(UnknownName) {
            let value = try make()
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return .json((try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}")
        } catch {
            return .unknown(error.description)
        }
    }
}
