internal import RouteTable

extension Shapes {
    static let region = Shape<Region>(
        "region", Region(name: ""),
        [
            Field(
                optional: "capacity", \.capacity, .integer(1...1_000_000_000),
                "Requests per second it can take in all services together. Absent: unknown."),
            Field(
                "target", \.target, .share(100...10_000),
                "How much of its capacity, and of its services' capacities there, is used as long as there is room "
                    + "elsewhere."),
        ])
}

extension Shapes {
    static let cascade = Shape<CascadePolicy>(
        "cascade", CascadePolicy(),
        [
            Field(
                "services", \.services, .integer(1...10_000),
                "So many services impaired in a region, at least, are an impairment of the region."),
            Field("share", \.share, .share(1...10_000), "And this share of those that have traffic there."),
            Field(
                "within", \.within, .duration(.seconds(1) ... .seconds(3_600)),
                "In what time they must have become impaired."),
            Field(
                "restored_at", \.restoredAt, .share(0...10_000),
                "Share of the region's weight that must be healthy before traffic begins to return."),
            Field(
                nested: "damping", \.damping, damping, "How returning too often delays the way back of a region."),
        ])
}

extension Shapes {
    static let damping = Shape<DampingPolicy>(
        "damping", DampingPolicy(),
        [
            Field(
                "suppress", \.suppress, .integer(1_000...100_000),
                "Each time traffic has to leave adds 1,000; from here on nothing returns."),
            Field("reuse", \.reuse, .integer(1...100_000), "Below this it may return again."),
            Field(
                "half_life", \.halfLife, .duration(.milliseconds(100) ... .seconds(86_400)),
                "In which what was added halves."),
            Field(
                "limit", \.limit, .duration(.milliseconds(100) ... .seconds(604_800)), "The longest it delays anything."
            ),
        ]
    ) { damping in
        damping.reuse < damping.suppress
            ? []
            : [Breach(key: "reuse", found: "\(damping.reuse)", expected: "less than suppress, \(damping.suppress)")]
    }
}
