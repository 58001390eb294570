internal import Failover
internal import FoundationEssentials
internal import Telemetry

/// What Control answers to those who ask. On its own thread it only takes a snapshot; pages are made of that on other threads,
/// which run at a lower priority than those that carry traffic and decide.
extension Control {
    /// A page, or why there is none.
    package enum Answer: Sendable {
        case page([UInt8], isCompressed: Bool = false)
        /// There is no such thing.
        case unknown(String)
        /// Too many others wait for theirs.
        case busy
    }

    /// All metrics, in Prometheus' text format.
    ///
    /// - Parameter isCompressed: as gzip.
    package nonisolated func metrics(isCompressed: Bool) async -> Answer {
        guard pages.hasRoom else { return .busy }
        let snapshot = await snapshot()
        return await pages.run { () -> Answer in
            let text = snapshot.metrics()
            if isCompressed, let small = Gzip.compressed(text) { return .page(small, isCompressed: true) }
            return .page(text)
        } ?? .busy
    }

    /// What the router is doing now: JSON of `RouterStatus`.
    package nonisolated func status() async -> Answer {
        guard pages.hasRoom else { return .busy }
        let snapshot = await snapshot()
        return await pages.run { Self.page { snapshot.status } } ?? .busy
    }

    /// Why a service or region is as it is; without a name, all that are not as preferred. JSON of `Explanations`.
    package nonisolated func explain(_ name: String?) async -> Answer {
        guard questions.hasRoom else { return .busy }
        let (brain, decisions) = await (self.brain, memory.decisions)
        return await questions.run {
            Self.page { () throws(UnknownName) in
                if let name { try brain.explanations(of: name, decisions) } else { brain.explanations(decisions) }
            }
        } ?? .busy
    }

    /// What would become of traffic if regions were lost. JSON of `WhatIf`.
    ///
    /// - Parameter demand: thousandths of a request per second, in place of what is measured.
    package nonisolated func whatIf(
        losing lost: [String], demand: [(service: String, perSecond: Int)]
    ) async -> Answer {
        guard questions.hasRoom else { return .busy }
        let brain = await self.brain
        return await questions.run {
            Self.page { () throws(UnknownName) in try brain.imagining(demand: demand).whatIf(losing: lost) }
        } ?? .busy
    }

    private static func page(_ make: () throws(UnknownName) -> some Encodable) -> Answer {
        do throws(UnknownName) {
            let value = try make()
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return .page(((try? encoder.encode(value)).map { Array($0) } ?? Array("{}".utf8)) + [0x0a])
        } catch {
            return .unknown(error.description)
        }
    }
}
