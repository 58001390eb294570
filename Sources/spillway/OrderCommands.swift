internal import ArgumentParser
internal import Control
internal import FoundationEssentials
internal import RouteFiles

/// What every order has.
struct OrderOptions: ParsableArguments {
    @OptionGroup var admin: AdminOption

    @Option(help: ArgumentHelp("Why, for those who find it.", valueName: "text"))
    var why: String?

    @Flag(help: "Even if it is not safe.")
    var force = false

    func give(_ request: OrderRequest) async throws {
        var request = request
        request.why = why
        request.force = force
        let answer = try await admin.client().post("/api/v1/orders", try JSONEncoder().encode(request))
        print(answer)
    }
}

/// What an order is about: `region NAME`, `cell SERVICE REGION` or `endpoint SERVICE REGION ADDRESS`.
struct OrderSubject: ParsableArguments {
    @Argument(help: "region, cell or endpoint.")
    var kind: String

    @Argument(help: "The region; or the service and the region; or the service, the region and the address.")
    var names: [String]

    func request(_ order: String) throws -> OrderRequest {
        switch (kind, names.count) {
        case ("region", 1): OrderRequest(order: order, region: names[0])
        case ("cell", 2): OrderRequest(order: order, region: names[1], service: names[0])
        case ("endpoint", 3): OrderRequest(order: order, region: names[1], service: names[0], endpoint: names[2])
        default:
            throw ValidationError(
                "expected `region NAME`, `cell SERVICE REGION` or `endpoint SERVICE REGION ADDRESS`")
        }
    }
}

/// How long an override lasts.
struct OrderLength: ParsableArguments {
    @Option(
        name: .customLong("for"), help: ArgumentHelp("How long: 30m, 1h30m is 90m; at most 72h.", valueName: "time"))
    var length = "1h"

    func seconds() throws -> Int {
        guard let seconds = DurationText.seconds(length), seconds > 0 else {
            throw ValidationError("\(length) is no time such as 90s, 30m or 2h")
        }
        return seconds
    }
}

struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take traffic away from a region, cell or endpoint.")
    @OptionGroup var subject: OrderSubject
    @OptionGroup var length: OrderLength
    @OptionGroup var options: OrderOptions

    func run() async throws {
        var request = try subject.request("drain")
        request.seconds = try length.seconds()
        try await options.give(request)
    }
}

struct Undrain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End what was ordered of a region, cell or endpoint.")
    @OptionGroup var subject: OrderSubject
    @OptionGroup var options: OrderOptions

    func run() async throws { try await options.give(subject.request("undrain")) }
}

struct Weight: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a region, cell or endpoint at most a share of what it would have.")
    @Option(help: ArgumentHelp("0 to 100.", valueName: "percent"))
    var percent: Double
    @OptionGroup var subject: OrderSubject
    @OptionGroup var length: OrderLength
    @OptionGroup var options: OrderOptions

    func run() async throws {
        var request = try subject.request("weight")
        guard (0...100).contains(percent) else { throw ValidationError("\(percent) is not 0 to 100") }
        request.weight = Int((percent * 100).rounded())
        request.seconds = try length.seconds()
        try await options.give(request)
    }
}

struct Freeze: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "No automatic change; what probes took out comes back.")
    @OptionGroup var length: OrderLength
    @OptionGroup var options: OrderOptions

    func run() async throws {
        try await options.give(OrderRequest(order: "freeze", seconds: try length.seconds()))
    }
}

struct Unfreeze: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Let the router decide again.")
    @OptionGroup var options: OrderOptions

    func run() async throws { try await options.give(OrderRequest(order: "unfreeze")) }
}

struct FailOver: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fail-over", abstract: "Leave a region now; it is taken again as after any impairment.")
    @Argument(help: "The region's name.") var region: String
    @OptionGroup var options: OrderOptions

    func run() async throws { try await options.give(OrderRequest(order: "fail-over", region: region)) }
}

struct FailBack: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fail-back", abstract: "Begin a region's way back now, in verified steps.")
    @Argument(help: "The region's name.") var region: String
    @OptionGroup var options: OrderOptions

    func run() async throws { try await options.give(OrderRequest(order: "fail-back", region: region)) }
}

struct Drill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Leave a region step by step, for practice; it ends by itself, and at once when it hurts.")
    @Argument(help: "The region's name.") var region: String
    @OptionGroup var length: OrderLength
    @OptionGroup var options: OrderOptions

    func run() async throws {
        try await options.give(OrderRequest(order: "drill", region: region, seconds: try length.seconds()))
    }
}
