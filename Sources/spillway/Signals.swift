internal import CLinux
internal import Reactor
internal import Synchronization

/// The signals of a router, taken by a thread of its own.
///
/// They are trapped from the moment this is made, which is before anything listens. So none ends the process by its default,
/// whenever it comes; those that come before somebody takes them wait.
final class Signals: Sendable {
    enum Signal: Int32, CaseIterable {
        /// SIGHUP
        case hangUp = 1
        /// SIGINT
        case interrupt = 2
        /// SIGUSR1
        case user1 = 10
        /// SIGUSR2
        case user2 = 12
        /// SIGTERM
        case terminate = 15
    }

    private struct State {
        /// Each once.
        var waiting: [Signal] = []
        var take: (@Sendable (Signal) -> Void)?
    }

    private let state = Mutex(State())

    init() throws(SystemError) {
        for signal in Signal.allCases {
            let result = clinux_trap_signal(signal.rawValue)
            guard result >= 0 else { throw SystemError(code: -result) }
        }
        try Thread.start(name: "signals") { [self] in
            while true {
                let came = clinux_wait_for_signals()
                for signal in Signal.allCases where came & 1 << UInt32(signal.rawValue) != 0 { self.came(signal) }
            }
        }
    }

    /// Has `take` called for each signal that has come and that comes, on the thread of the signals: it must not wait.
    func deliver(to take: @escaping @Sendable (Signal) -> Void) {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.take = take
            return state.waiting
        }
        for signal in waiting { take(signal) }
    }

    private func came(_ signal: Signal) {
        let take = state.withLock { state in
            if state.take == nil, !state.waiting.contains(signal) { state.waiting.append(signal) }
            return state.take
        }
        take?(signal)
    }
}
