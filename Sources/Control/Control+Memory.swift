internal import Failover
internal import Files
internal import Logging
internal import Reactor
internal import Store

/// What the last run with this state directory left.
extension Control {
    /// How long the state directory has to answer at the start.
    static let memoryLimit = Duration.seconds(10)

    /// Takes the state directory for this router alone. One that cannot be used costs what is kept in it, and nothing else:
    /// `StateWriter` asks for it again.
    func takeState() async throws {
        let (store, holder) = (store, configuration.holder)
        let outcome = await Thread.run(name: "memory", within: Self.memoryLimit) {
            Result { () throws(FileProblem) in
                let outcome = try StateLock.take(in: store, for: holder)
                if case .taken = outcome { try store.prepare() }
                return outcome
            }
        }
        switch outcome {
        case .success(.taken(let lock)):
            hasState = true
            stateWriter.hold(lock)
        case .success(.held(let other)):
            throw StartFailure(
                description: "the state directory \(store.path) is in use by \(other); "
                    + "each router needs one of its own: give this one another with --state")
        case .failure(let problem):
            logger.error("routing goes on, but table, decisions and evidence are not kept: \(problem)")
        case nil:
            logger.error(
                "routing goes on, but table, decisions and evidence are not kept: \(store.path) does not answer")
        }
    }

    /// Goes on where the last run was: what was out stays out until it shows itself well.
    func remember() async {
        clock = BrainClock(wall: EventLoop.wallClock(), boot: EventLoop.bootClock())
        let (store, isOurs) = (store, hasState)
        let read = await Thread.run(name: "memory", within: Self.memoryLimit) { Past(of: store, isOurs: isOurs) }
        guard let past = read else {
            return logger.error("the state directory \(store.path) does not answer: nothing is remembered this time")
        }
        for decision in past.decisions { memory.add(decision) }
        switch past.addresses {
        case .success(let addresses): discovery = Discovery(remembered: addresses)
        case .failure(let error):
            logger.error("the addresses that names last stood for cannot be read from \(store.path): \(error)")
        }
        switch past.evidence {
        case .nothing: break
        case .suspect(let path):
            logger.error("the last run ended while it read \(path): nothing is remembered this time")
        case .unreadable(let path, let error):
            logger.error("what the last run knew cannot be read from \(path): \(error)")
        case .segment(let segment):
            var remembered = segment.brain
            for (event, time) in segment.events { _ = remembered.observe(event, at: time) }
            guard let ahead = clock.goOn(from: remembered.lastTime, boot: EventLoop.bootClock()) else {
                let ahead = (remembered.lastTime - now).phrase
                logger.error(
                    """
                    what the last run left in \(segment.name) is dated \(ahead) ahead of the clock: \
                    nothing is remembered this time
                    """)
                break
            }
            if ahead > .seconds(1) {
                logger.warning(
                    "the clock was put back since the last run: decisions are dated \(ahead.phrase) ahead of it")
            }
            brain = remembered
            registry.reserve(brain.knownEndpoints)
            logger.info("goes on from \(segment.name) and \(segment.events.count) events")
            carryOut(tell(.tick, at: now))
        }
        stateWriter.endRemembering()
    }
}

/// What is in the state directory of the last run.
private struct Past: Sendable {
    enum Evidence {
        case nothing
        case segment(EvidenceLog.Segment)
        /// The last run ended while it took this in, and would do so again.
        case suspect(String)
        case unreadable(String, any Error)
    }

    let decisions: [Decision]
    /// Of names of endpoints.
    let addresses: Result<[String: [String]], any Error>
    let evidence: Evidence

    /// - Parameter isOurs: another router may keep its own there otherwise, and nothing is changed.
    init(of store: StateDirectory, isOurs: Bool) {
        decisions = DecisionJournal.latest(DecisionMemory.limit, in: store.path).map(\.decision)
        addresses = Result { try store.addresses() }
        guard let path = EvidenceLog.names(in: store.path).last else {
            evidence = .nothing
            return
        }
        guard !isOurs || store.beginRemembering() else {
            evidence = .suspect(path)
            return
        }
        do {
            evidence = .segment(try EvidenceLog.read(path))
        } catch {
            evidence = .unreadable(path, error)
        }
    }
}
