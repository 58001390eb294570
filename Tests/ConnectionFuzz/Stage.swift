import CLinux
import Glibc

/// What goes on between two turns of the router's code.
protocol Play: AnyObject {
    /// The loop would sleep for so many milliseconds; -1: for ever.
    func betweenTurns(_ milliseconds: CInt)
}

enum Stage {
    /// One input at a time, on one thread.
    nonisolated(unsafe) static var play: (any Play)?
}

/// Called by the kernel in memory, on the router's way into its next wait.
@_cdecl("fake_between_turns")
public func betweenTurns(_ milliseconds: CInt) {
    Stage.play?.betweenTurns(milliseconds)
}

/// What the network and the kernel do next, as lines of a script say it.
enum Network {
    /// `connect refused 2`
    static func setNextConnects(_ line: Line) {
        let kind =
            switch line.word(0) {
            case "now": FAKE_CONNECT_AT_ONCE
            case "refused": FAKE_CONNECT_REFUSED
            case "refusednow": FAKE_CONNECT_REFUSED_AT_ONCE
            case "unreachable": FAKE_CONNECT_UNREACHABLE
            case "never": FAKE_CONNECT_NEVER
            default: FAKE_CONNECT_SOON
            }
        fake_connect_next(kind, CInt(clamping: line.number(0, or: 1)))
    }

    /// `fail socket 0 1`: the first of the errors, once.
    static func failNextCalls(_ line: Line) {
        let call = ["socket", "accept", "connect", "watch"].firstIndex(of: line.word(0)) ?? 0
        let errors = [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EAGAIN, ECONNABORTED]
        let error = call == 3 ? ENOMEM : errors[abs(line.number(0, or: 0)) % errors.count]
        fake_fail_next(fake_call(UInt32(call)), error, CInt(clamping: min(max(line.number(1, or: 1), 0), 16)))
    }
}
