import Foundation
import Failover
import Testing

@testable import Simulation

/// A few of the random worlds of `Tests/properties/run`, which runs thousands.
@Suite("In random worlds")
struct PropertyTests {
    @Test("every law holds", arguments: 1...25 as ClosedRange<UInt64>)
    func laws(seed: UInt64) {
        let properties = Properties(seed: seed)
        #expect(properties.breaches.isEmpty, "seed \(seed): \(properties.breaches)")
    }

    @Test func `a broken law is told with its figures`() {
        var breach = Breach(law: .velocityLimited, at: 12_340_000_000, text: "9 of 24")
        #expect("\(breach)" == "velocity-limited at 12.3 s: 9 of 24")
        breach.law = .sharesAddUp
        #expect("\(breach)".hasPrefix("shares-add-up"))
    }
}
