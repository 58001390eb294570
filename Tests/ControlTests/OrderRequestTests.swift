import Testing

@testable import Control

struct OrderRequestTests {
    @Test(arguments: [
        ("two\nlines", "why is one line without control characters"),
        ("a\u{1b}[2Jscreen", "why is one line without control characters"),
        ("a\u{2028}separator", "why is one line without control characters"),
        (String(repeating: "w", count: 1_001), "why is at most 1000 bytes"),
    ])
    func `a reason that would be taken for lines of the log, or fill it, is refused`(why: String, problem: String) {
        var asked = OrderRequest(order: "drain", region: "east", why: why)
        guard case .failure(let found) = asked.parsed() else {
            Issue.record("\(why) is taken")
            return
        }
        #expect("\(found)" == problem)
        asked.why = nil
        asked.region = why
        guard case .failure(let found) = asked.parsed() else {
            Issue.record("a region named \(why) is taken")
            return
        }
        #expect("\(found)" == problem.replacing("why", with: "region"))
    }

    @Test func `a reason in any language is taken`() {
        let why = String(repeating: "新", count: 333) + "!"
        guard case .success = OrderRequest(order: "drain", region: "east", why: why).parsed() else {
            Issue.record("not taken")
            return
        }
    }

    @Test(arguments: [Int.min, -1, 0, 259_201, 9_223_372_036, Int.max])
    func `a time that no order has is refused, whatever the number is`(seconds: Int) {
        for order in ["drain", "weight", "freeze", "drill"] {
            let asked = OrderRequest(
                order: order, region: order == "freeze" ? nil : "east", weight: 5_000, seconds: seconds)
            guard case .failure(let found) = asked.parsed() else {
                Issue.record("\(order) for \(seconds) s is taken")
                continue
            }
            #expect("\(found)" == "an override lasts 1 s to 72 h")
        }
    }

    @Test(arguments: [Int.min, -1, 10_001, Int.max])
    func `a weight that is no share is refused, whatever the number is`(weight: Int) {
        guard case .failure = OrderRequest(order: "weight", region: "east", weight: weight).parsed() else {
            Issue.record("a weight of \(weight) is taken")
            return
        }
    }
}
