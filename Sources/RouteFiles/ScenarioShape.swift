internal import RouteTable
internal import Simulation

/// A scenario while it is read.
struct ScenarioDraft: Sendable {
    var scenario: Scenario
    var load: [PlacedPair<Int, Load>] = []
    var happenings: [HappeningDraft] = []
    var expectations: [ExpectationDraft] = []

    /// The scenario, with all that was read of it.
    var finished: Scenario {
        var finished = scenario
        finished.loads = load.map { pair in
            var load = pair.value
            load.service = pair.key
            return load
        }
        finished.timeline = happenings.map { $0.happening(in: scenario) }
        finished.expectations = expectations.map { $0.expectation(in: scenario) }
        return finished
    }
}

extension Shapes {
    static let scenario = Shape<ScenarioDraft>(
        "scenario", ScenarioDraft(scenario: Scenario(name: "", table: Table())),
        [
            Field("about", \.scenario.about, .text(length: 1...2_000, linesAllowed: true), "What it is about."),
            // It was read before anything else: all other keys name regions and services.
            Field(
                "table",
                FormType(
                    name: "table, or where one is", expectation: "a table's sections, or a directory or file",
                    schema: .object([:])), isRequired: false, "The routing table, or a directory or file, from here."
            ) { _, _, _ in
            } write: { _, _ in
                nil
            },
            Field("seed", \.seed, .integer(0...1_000_000_000), "Where the world's chance begins."),
            Field(
                "length", \.scenario.length, .duration(.seconds(1) ... .seconds(86_400)), isRequired: true,
                "How long it lasts."),
            Field("workers", \.scenario.workers, .integer(1...64), "Cores of the router."),
            Field(
                "load", \.load,
                load.form.map(by: .reference(.service), "mapping of services to clients", of: "services and clients"),
                isRequired: true, "What clients ask of each service."),
            Field(
                nested: "backends", \.scenario.backends, backends, "What stands behind the endpoints, as it truly is."),
            Field(
                "dependencies", \.dependencies,
                Form<Duration>.duration(.zero ... .seconds(3_600))
                    .map(by: .reference(.service), "mapping of services to durations", of: "services and durations")
                    .map(by: .name("dependency"), "mapping of names to users", of: "dependencies and their users"),
                "What services cannot do without in each region and no table names, and how long each goes on without."),
            Field(
                "names", \.names,
                Form<String>.ipAddress.list(1...1_000, of: "addresses")
                    .map(by: .hostName, "mapping of names to addresses", of: "names and addresses"),
                "What names of endpoints stand for at first; others stand for themselves."),
            Field(
                "timeline", \.happenings, happening.form.list(0...10_000, of: "happenings"),
                "What happens, and when. See happening."),
            Field(
                "expect", \.expectations, expectation.form.list(0...1_000, of: "expectations"),
                "What is expected of the router. See expectation."),
        ])

    private static let load = Shape<Load>(
        "clients", Load(service: 0, perSecond: 0),
        [
            Field("rate", \.perSecond, .integer(0...1_000_000), isRequired: true, "Requests a second."),
            Field("writes", \.writes, .share(0...10_000), "The share of them that must not be sent twice."),
            Field(
                "retries", \.retries, .integer(0...20),
                "How often a client asks again when it is refused or its request failed."),
            Field(
                "retry_after", \.retryAfter, .duration(.milliseconds(1) ... .seconds(600)),
                "How long it pauses before; doubled each time."),
            Field(
                "patience", \.patience, .duration(.milliseconds(1) ... .seconds(600)),
                "How long a client waits for an answer."),
        ])

    private static let backends = Shape<Backends>(
        "backends", Backends(),
        [
            Field(
                "distance", \.distances,
                Form<Duration>.duration(.zero ... .seconds(10))
                    .map(by: .reference(.region), "mapping of regions to durations", of: "regions and durations"),
                "There and back, by region. Absent: 2ms."),
            Field(
                "work", \.work, .duration(.microseconds(10) ... .seconds(60)),
                "What an endpoint takes for a request when nothing waits, on average."),
            Field(
                "capacity", \.capacities,
                Form<Int>.integer(1...1_000_000_000)
                    .map(
                        by: .reference(.region), "mapping of regions to integers", of: "regions and requests per second"
                    ),
                "Requests per second a region can truly take. Absent: as the table says; else no limit."),
            Field(
                "without_needs", \.withoutNeeds, .duration(.zero ... .seconds(3_600)),
                "How long a service goes on without another one that it needs."),
        ])
}

extension Backends {
    fileprivate var distances: [PlacedPair<Int, Duration>] {
        get { distance.map { PlacedPair(key: $0.region, value: $0.value) } }
        set { distance = newValue.map { RegionValue(region: $0.key, value: $0.value) } }
    }

    fileprivate var capacities: [PlacedPair<Int, Int>] {
        get { regions.map { PlacedPair(key: $0.region, value: $0.value) } }
        set { regions = newValue.map { RegionValue(region: $0.key, value: $0.value) } }
    }
}

extension ScenarioDraft {
    fileprivate var seed: Int {
        get { Int(scenario.seed) }
        set { scenario.seed = UInt64(newValue) }
    }

    fileprivate var dependencies: [PlacedPair<String, [PlacedPair<Int, Duration>]>] {
        get { [] }
        set {
            scenario.dependencies = newValue.map { pair in
                Dependency(name: pair.key, users: pair.value.map { .init(service: $0.key, after: $0.value) })
            }
        }
    }

    fileprivate var names: [PlacedPair<String, [String]>] {
        get { [] }
        set { scenario.resolutions = newValue.map { Resolution(name: $0.key, addresses: $0.value) } }
    }
}

extension Form where Value == String {
    static var ipAddress: Form {
        .text("numeric address", expectation: "a numeric address such as 10.0.0.1 or ::1") { text in
            IPAddress(text).map { .value("\($0)") } ?? .nothing(suggestion: nil)
        }
    }

    static var hostName: Form {
        .text("host name", expectation: "a host name such as west.internal") { text in
            AddressText.hostName(text).map { .value($0) } ?? .nothing(suggestion: nil)
        }
    }

    static func name(_ kind: String) -> Form {
        .text("name", expectation: "a name of a \(kind): letters, digits, `.`, `_` and `-`") { text in
            AddressText.isName(text) ? .value(text) : .nothing(suggestion: nil)
        }
    }
}
