/// Whether what looks like everybody's fault is our own: the network that everything is reached through, or a pause of
/// this process.
struct OwnNetwork: Sendable, Codable {
    /// When anything anywhere last showed that it is there: an answer of whatever kind, a refusal, a probe's result.
    var lastSign = Instant(nanoseconds: 0)
    /// Nothing anywhere has shown itself: decisions from silence are held.
    var isHolding = false
    /// Silence says nothing before then: it may be what is left of a fault of our own.
    var graceUntil = Instant(nanoseconds: 0)

    /// When others were last asked whether they are there.
    var askedAt = Instant(nanoseconds: 0)

    /// How long silence says nothing once something shows itself again: what was sent before has ended by then.
    static let grace = Duration.seconds(2)
    /// Longer than this without being told anything, and this process stood still.
    static let stall = Duration.seconds(1)
    /// Silence everywhere that lasts this long is said to be our own.
    static let noticed = Duration.milliseconds(200)
    /// Others are asked no more often than this.
    static let askAgain = Duration.milliseconds(500)
    /// How long others are waited for that were asked and could answer, before silence is believed.
    static let patience = Duration.milliseconds(1_500)
}

extension Brain {
    /// Notes what came back of requests sent to an endpoint, and what did not.
    mutating func hearRequests(_ number: Int, signs: Int, silence: Int) {
        let cell = endpoints[number]!.cell
        hear(from: cells[cell].region, signs: signs, silence: silence)
        if signs > 0 {
            endpoints[number]!.silentSince = nil
            cells[cell].silentSince = nil
        } else if silence > 0 {
            endpoints[number]!.silentSince = endpoints[number]!.silentSince ?? now
            cells[cell].silentSince = cells[cell].silentSince ?? now
        }
    }

    /// The same of a probe. One that passes does not end the silence of requests; it shows that the way is open.
    mutating func hearProbe(_ number: Int, answered: Bool) {
        let cell = endpoints[number]!.cell
        hear(from: cells[cell].region, signs: answered ? 1 : 0, silence: answered ? 0 : 1)
        if !answered { endpoints[number]!.silentSince = endpoints[number]!.silentSince ?? now }
    }

    private mutating func hear(from region: Int, signs: Int, silence: Int) {
        if signs > 0 {
            regions[region].silentSince = nil
            if own.isHolding { release() }
            own.lastSign = now
        } else if silence > 0 {
            regions[region].silentSince = regions[region].silentSince ?? now
        }
    }

    /// Silence is ignored for a while.
    var isInGrace: Bool { now < own.graceUntil }

    /// Whether silence since a moment may be our own network's: nothing anywhere has shown itself after it, and there
    /// is somebody else who was asked, or can be, and could have.
    ///
    /// - Parameter region: the one that is silent.
    mutating func mayBeOurOwn(silentSince: Instant?, region: Int) -> Bool {
        // Nothing at all comes back: whatever is judged now is judged by silence.
        if own.isHolding { return true }
        guard let silentSince, own.lastSign <= silentSince else { return false }
        let others = regions.indices.filter { $0 != region }
        // One that has been silent since before others last showed themselves says nothing about now.
        if others.contains(where: { regions[$0].silentSince.map { $0 >= own.lastSign } ?? false }) {
            // A silence that has just begun is waited for; it has a name when it lasts.
            if now - silentSince >= OwnNetwork.noticed { hold(since: silentSince) }
            return true
        }
        // Ask, and give those asked a moment to answer.
        if now - silentSince < OwnNetwork.patience && ask(others) { return true }
        // Those that were silent before are still: nothing anywhere shows itself, and there is nowhere to go.
        guard !others.isEmpty, others.allSatisfy({ regions[$0].silentSince != nil }) else { return false }
        hold(since: silentSince)
        return true
    }

    /// Asks for probes of a few endpoints of other regions; false if there is none to ask.
    private mutating func ask(_ regions: [Int]) -> Bool {
        let isTooSoon = now - own.askedAt < OwnNetwork.askAgain
        var asked = 0
        for cell in cells where regions.contains(cell.region) && services[cell.service].isProbed {
            guard let number = cell.endpoints.first, let pace = endpoints[number]?.pace else { continue }
            asked += 1
            if isTooSoon || asked > 8 { break }
            actions.append(.probe(EndpointID(number), pace, soon: true))
        }
        if !isTooSoon { own.askedAt = now }
        return asked > 0
    }

    private mutating func hold(since: Instant) {
        own.isHolding = true
        let silent = regions.filter { $0.silentSince != nil }.map(\.name)
        decide(
            .router, .holds(before: false, after: true), .everythingSilent,
            [.time("no sign of life for", now - since), .text("silent", silent.joined(separator: ", "))])
    }

    /// Something shows itself again: what was silence of our own making is forgotten.
    mutating func release() {
        own.isHolding = false
        decide(
            .router, .holds(before: true, after: false), .signsAgain,
            [.time("after", now - own.lastSign)])
        forgiveSilence()
    }

    /// This process stood still: whatever ran out meanwhile did so because of that.
    mutating func stalled(for gap: Duration) {
        decide(.router, .holds(before: false, after: false), .stalled, [.time("for", gap)])
        forgiveSilence()
    }

    private mutating func forgiveSilence() {
        own.graceUntil = now + OwnNetwork.grace
        for number in endpoints.indices
        where endpoints[number]?.silentSince != nil || endpoints[number]?.probeFailures ?? 0 > 0 {
            endpoints[number]!.forgiveSilence()
        }
        for index in cells.indices where cells[index].silentSince != nil {
            cells[index].forgiveSilence(at: now)
        }
        for index in regions.indices { regions[index].silentSince = nil }
        for index in services.indices { services[index].demand.restart(at: now) }
        for index in cells.indices where cells[index].learned != nil { cells[index].learned!.changedAt = now }
    }
}
