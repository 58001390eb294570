import Testing

@testable import RouteTable

@Suite("The nearest name")
struct NearNameTests {
    @Test(
        "is the one with the fewest slips, if they are few",
        arguments: [
            ("us-esat-1", ["us-west-2", "us-east-1", "eu-west-1"], "us-east-1"),
            ("conect", ["connect", "response"], "connect"),
            ("Checkout", ["checkout"], "checkout"),
            ("idel", ["idle", "idea"], "idle"),
            ("prot", ["port", "protocol"], "port"),
            ("xyz", ["checkout", "web"], nil),
            ("we", ["web", "api"], "web"),
            ("", ["a"], nil),
            ("storefront", [], nil),
        ] as [(String, [String], String?)])
    func nearest(word: String, candidates: [String], expected: String?) {
        #expect(NearName.of(word, among: candidates) == expected)
    }

    @Test(
        "is measured in letters put in, left out, replaced or swapped",
        arguments: [
            ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("ca", "abc", 3), ("", "ab", 2),
            ("kitten", "sitting", 3),
        ]
            as [(String, String, Int)])
    func distance(a: String, b: String, expected: Int) {
        #expect(NearName.distance(Array(a.utf8), Array(b.utf8)) == expected)
    }
}
