internal import RouteTable

extension Shapes {
    static let serviceTimeouts = Shape<ServiceTimeouts>(
        "service timeouts", ServiceTimeouts(),
        [
            Field(
                "connect", \.connect, .duration(.milliseconds(1) ... .seconds(60)), "For a connection to an endpoint."),
            Field(
                "response", \.response, .duration(.milliseconds(1) ... .seconds(3_600)),
                "From all of the request having arrived to the end of the response head; before that, without progress while the "
                    + "endpoint takes the request."),
            Field(
                "idle", \.idle, .duration(.milliseconds(100) ... .seconds(86_400)),
                "Of an unused connection that is kept, and without progress within a response body, or of the request behind its "
                    + "head."),
            Field(
                "request", \.request, Form<Duration>.duration(.milliseconds(1) ... .seconds(86_400)).or("none"),
                "A whole exchange, retries included."),
            Field(
                "ping", \.ping, .duration(.seconds(1) ... .seconds(86_400)),
                "With `protocol: http2`: after so long without a word, while requests are under way, an endpoint is asked (PING) "
                    + "whether it is there; one that says nothing for 10 s more, or as long again if that is shorter, is taken for "
                    + "dead. gRPC servers end connections that ask much more often than every 5m."),
        ])
}

extension Shapes {
    static let retry = Shape<RetryPolicy>(
        "retry", RetryPolicy(),
        [
            Field(
                "attempts", \.attempts, .integer(0...10),
                "Attempts beyond the first: on other endpoints, then in other regions."),
            Field(
                "budget", \.budget, .share(0...10_000),
                "Retries and hedges together, of the requests of the last 10 seconds."),
            Field(
                "on", \.on, Forms.condition.list(0...64, of: "conditions").mapped(sortedOnce) { $0 },
                "What is tried again: `connect` (no connection), `reset` (closed before a response), `timeout`, and "
                    + "statuses. Only requests that may be repeated are, or of which nothing was sent."),
            Field(
                "hedge_after", \.hedge, Forms.hedge,
                "When a second copy of a request that may be repeated is sent elsewhere, the first being slow: `learned` is "
                    + "twice the 99th percentile of the time to a response head, but at least 50ms, or what "
                    + "`{ learned: … }` says; 1s until 32 answers are known."),
        ])

    /// In a fixed order, each once, so that two tables that mean the same are equal.
    private static let sortedOnce: @Sendable ([RetryPolicy.Condition]) -> [RetryPolicy.Condition] = { conditions in
        func rank(_ condition: RetryPolicy.Condition) -> Int {
            switch condition {
            case .connect: 0
            case .reset: 1
            case .timeout: 2
            case .status(let status): status
            }
        }
        return Set(conditions).sorted { rank($0) < rank($1) }
    }
}

extension Forms {
    private static let conditionWords = Form<RetryPolicy.Condition>.words([
        "connect": .connect, "reset": .reset, "timeout": .timeout,
    ])

    static let condition = Form<RetryPolicy.Condition>.parsed(
        FormType(
            name: "\(conditionWords.type.name) or a status, 400 to 599",
            expectation: "connect, reset, timeout or a status from 400 to 599",
            schema: .object([
                "anyOf": .array([conditionWords.type.schema, Form<Int>.integer(400...599).type.schema])
            ]))
    ) { text in
        switch text {
        case "connect": return .value(.connect)
        case "reset": return .value(.reset)
        case "timeout": return .value(.timeout)
        default:
            if let status = NumberText.integer(text), (400...599).contains(status) { return .value(.status(status)) }
            return .nothing(suggestion: NearName.of(text, among: ["connect", "reset", "timeout"]))
        }
    } write: {
        .word("\($0)")
    }

    private static let hedgeDuration = Form<Duration>.duration(.milliseconds(1) ... .seconds(60))
    private static let leastLearned = Duration.milliseconds(50)

    static let hedge: Form<RetryPolicy.Hedge> = Form<RetryPolicy.Hedge>(
        FormType(
            name: "`off`, `learned`, `{ learned: … }`, or \(hedgeDuration.type.name)",
            expectation: "off, learned, { learned: 75ms }, or \(hedgeDuration.type.expectation)",
            schema: .object([
                "anyOf": .array([
                    .object(["enum": .array(["off", "learned"])]), hedgeDuration.type.schema,
                    .object([
                        "type": "object", "properties": .object(["learned": hedgeDuration.type.schema]),
                        "required": .array(["learned"]), "additionalProperties": .bool(false),
                    ]),
                ])
            ]))
    ) { node, reading in
        switch node.content {
        case .text("off", _): return .off
        case .text("learned", _): return .learned(atLeast: leastLearned)
        case .text(let text, _):
            guard let value = NumberText.duration(text), (.milliseconds(1) ... .seconds(60)).contains(value) else {
                reading.report(
                    node, expected: hedge.type.expectation,
                    suggestion: NumberText.durationMeant(text) ?? NearName.of(text, among: ["off", "learned"]))
                return nil
            }
            return .after(value)
        case .mapping(let entries) where entries.count == 1 && entries[0].key == "learned":
            return reading.at("learned") { hedgeDuration.read(entries[0].value, &$0) }.map { .learned(atLeast: $0) }
        default:
            reading.report(node, expected: hedge.type.expectation)
            return nil
        }
    } write: { hedge, writing in
        switch hedge {
        case .off: .word("off")
        case .learned(leastLearned): .word("learned")
        case .learned(let atLeast):
            .mapping([OutputEntry(key: "learned", value: hedgeDuration.write(atLeast, writing))])
        case .after(let value): hedgeDuration.write(value, writing)
        }
    }
}

extension Forms {
    private static let closingTime = Form<Duration>.duration(.milliseconds(1) ... .seconds(86_400))

    static let onFailover: Form<OnFailover> = Form<OnFailover>(
        FormType(
            name: "`keep`, `close` or `{ close_after: … }`, a \(closingTime.type.name)",
            expectation: "keep, close or { close_after: 30s }",
            schema: .object([
                "anyOf": .array([
                    .object(["enum": .array(["keep", "close"])]),
                    .object([
                        "type": "object", "properties": .object(["close_after": closingTime.type.schema]),
                        "required": .array(["close_after"]), "additionalProperties": .bool(false),
                    ]),
                ])
            ]))
    ) { node, reading in
        switch node.content {
        case .text("keep", _): return .keep
        case .text("close", _): return .close
        case .mapping(let entries) where entries.count == 1 && entries[0].key == "close_after":
            return reading.at("close_after") { closingTime.read(entries[0].value, &$0) }.map { .closeAfter($0) }
        default:
            reading.report(
                node, expected: onFailover.type.expectation,
                suggestion: node.text.flatMap { NearName.of($0, among: ["keep", "close"]) })
            return nil
        }
    } write: { choice, writing in
        switch choice {
        case .keep: .word("keep")
        case .close: .word("close")
        case .closeAfter(let time):
            .mapping([OutputEntry(key: "close_after", value: closingTime.write(time, writing))])
        }
    }
}

extension Shapes {
    static let serviceLimits = Shape<ServiceLimits>(
        "service limits", ServiceLimits(),
        [
            Field(
                "connections", \.connections, .integer(1...1_000_000),
                "Connections to the service's endpoints in one region."),
            Field(
                "pending", \.pending, .integer(0...1_000_000),
                "Requests that wait for a connection; further ones are answered 503 at once."),
            Field("requests", \.requests, .integer(1...1_000_000), "Requests in flight."),
        ])
}

extension Shapes {
    private static let ratio = Form<Int>.share(1...10_000)
    private static let share = Form<Int>.share(0...10_000)

    static let failover = Shape<FailoverPolicy>(
        "failover", FailoverPolicy(),
        [
            Field(
                "consecutive_failures", \.consecutiveFailures, .integer(1...1_000),
                "Failed connects, resets, time-outs or 502, 503, 504 in a row that eject an endpoint."),
            Field(
                "failure_ratio", \.failureRatio, ratio,
                "Failed share of an endpoint's requests within `ratio_window` that ejects it."),
            Field("ratio_minimum", \.ratioMinimum, .integer(1...1_000_000), "Requests it takes to judge a share."),
            Field(
                "ratio_window", \.ratioWindow, .duration(.seconds(1) ... .seconds(600)),
                "Over which shares are counted."),
            Field(
                "cell_failure_ratio", \.cellFailureRatio, ratio,
                "Failed share of a service's requests in a region that makes it impaired there."),
            Field(
                "ejection", \.ejection, .duration(.milliseconds(100) ... .seconds(3_600)),
                "First ejection of an endpoint; the n-th in a row lasts n times as long."),
            Field(
                "ejection_limit", \.ejectionLimit, .duration(.milliseconds(100) ... .seconds(86_400)),
                "The longest ejection."),
            Field(
                "overprovisioning", \.overprovisioning, .share(10_000...100_000),
                "How much more than its share the healthy part of a region can take: at 140% traffic begins to spill "
                    + "when less than 1 / 1.4 of the weight is healthy."),
            Field("down_below", \.downBelow, share, "Healthy share below which a region is down."),
            Field("restored_at", \.restoredAt, share, "Healthy share at which it counts as restored."),
            Field(
                "probe_removal", \.probeRemoval, share,
                "Share of a region's capacity that probes alone may take out within `removal_window` while requests succeed."
            ),
            Field(
                "removal_window", \.removalWindow, .duration(.seconds(1) ... .seconds(3_600)),
                "The time `probe_removal` is about."),
            Field(
                "hold", \.hold, .duration(.zero ... .seconds(86_400)),
                "How long a region must be restored before traffic returns."),
            Field(
                "steps", \.steps, ratio.list(1...20, of: "percentages"),
                "Shares of the way back, ascending; the last is 100%."),
            Field("soak", \.soak, .duration(.zero ... .seconds(3_600)), "How long each step is watched."),
            Field("soak_requests", \.soakRequests, .integer(0...1_000_000), "And on how many requests."),
            Field(
                "abort_ratio", \.abortRatio, share,
                "A step is undone when more than this share of its requests fails, or twice the serving region's."),
            Field(nested: "damping", \.damping, damping, "How returning too often delays the way back."),
            Field(
                "probation_passes", \.probationPasses, .integer(1...100),
                "Probes in a row that an endpoint that joins must pass before it gets requests."),
            Field(
                "slow_start", \.slowStart, .duration(.zero ... .seconds(3_600)),
                "How long an endpoint that joins, or is back, takes to its full share."),
        ], law: failoverLaw)

    private static let failoverLaw: @Sendable (FailoverPolicy) -> [Breach] = { policy in
        var breaches: [Breach] = []
        if policy.ejectionLimit < policy.ejection {
            breaches.append(
                Breach(
                    key: "ejection_limit", found: "a limit of \(policy.ejectionLimit.tableText)",
                    expected: "no less than ejection, \(policy.ejection.tableText)"))
        }
        if policy.restoredAt < policy.downBelow {
            breaches.append(
                Breach(
                    key: "restored_at", found: "restored at \(policy.restoredAt.percentText)",
                    expected: "no less than down_below, \(policy.downBelow.percentText)"))
        }
        let ascends = zip(policy.steps, policy.steps.dropFirst()).allSatisfy { $0 < $1 }
        if !ascends || policy.steps.last != 10_000 {
            breaches.append(
                Breach(
                    key: "steps", found: "steps \(policy.steps.map(\.percentText).joined(separator: ", "))",
                    expected: "ascending percentages, the last of them 100%"))
        }
        return breaches
    }
}
