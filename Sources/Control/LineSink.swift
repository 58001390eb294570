internal import CLinux
internal import Glibc
internal import Reactor

/// A descriptor that takes lines, and may refuse them (a full disk, a reader that is gone) or stand still (a full pipe).
/// It belongs to one thread, which may wait.
///
/// What comes out are whole lines: a line that was written in part is ended before the next one begins, and the rest of a
/// line whose beginning was lost is left out.
struct LineSink: ~Copyable {
    /// What became of bytes that were handed over.
    struct Outcome {
        var lostLines = 0
        /// Why they were lost; nil when what came was written, but for the rest of a line that was lost before.
        var error: SystemError?
        var hasWritten = false
    }

    private enum Position {
        case lineStart
        /// The last byte that came was written, and is not the end of its line.
        case withinLine
        /// A line begins, but the one before it was written in part.
        case afterTornLine
        /// Up to the line's end, what comes is lost, as the beginning was.
        case withinLostLine(isTorn: Bool)
    }

    private let descriptor: Int32
    private let isOwned: Bool
    private var position = Position.lineStart

    /// - Parameter isOwned: the descriptor is closed with the sink.
    init(descriptor: Int32, isOwned: Bool) {
        self.descriptor = descriptor
        self.isOwned = isOwned
    }

    deinit {
        if isOwned { _ = clinux_close(descriptor) }
    }

    /// Writes a piece of text that may begin and end within a line. Waits while a reader stands still, as long as
    /// `isWaiting` says so; a descriptor without O_NONBLOCK waits in any case.
    mutating func write(_ bytes: UnsafeRawBufferPointer, while isWaiting: () -> Bool) -> Outcome {
        var outcome = Outcome()
        var rest = unsafe bytes[...]
        if case .withinLostLine(let isTorn) = position {
            guard let end = unsafe rest.firstIndex(of: 0x0a) else { return outcome }
            unsafe rest = rest[(end + 1)...]
            outcome.lostLines = 1
            position = isTorn ? .afterTornLine : .lineStart
        }
        if case .afterTornLine = position, unsafe !rest.isEmpty {
            let newline: [UInt8] = [0x0a]
            outcome.error = unsafe newline.withUnsafeBytes { unsafe put($0, while: isWaiting).error }
            if outcome.error == nil { position = .lineStart }
        }
        if outcome.error == nil {
            let (count, error) = unsafe put(UnsafeRawBufferPointer(rebasing: rest), while: isWaiting)
            if count > 0 { position = unsafe rest[rest.startIndex + count - 1] == 0x0a ? .lineStart : .withinLine }
            unsafe rest = rest[(rest.startIndex + count)...]
            outcome.hasWritten = count > 0
            outcome.error = error
        }
        if outcome.error != nil {
            outcome.lostLines += unsafe rest.count { $0 == 0x0a }
            unsafe lose(endsLine: rest.last == 0x0a)
        }
        return outcome
    }

    /// The same of text that is in an array.
    mutating func write(_ bytes: [UInt8], while isWaiting: () -> Bool) -> Outcome {
        unsafe bytes.withUnsafeBytes { unsafe write($0, while: isWaiting) }
    }

    private mutating func lose(endsLine: Bool) {
        let isTorn =
            switch position {
            case .lineStart: false
            case .withinLine, .afterTornLine: true
            case .withinLostLine(let isTorn): isTorn
            }
        position = endsLine ? (isTorn ? .afterTornLine : .lineStart) : .withinLostLine(isTorn: isTorn)
    }

    /// Returns how many bytes were written, and why it were not all.
    private func put(
        _ bytes: UnsafeRawBufferPointer, while isWaiting: () -> Bool
    ) -> (count: Int, error: SystemError?) {
        var offset = 0
        while offset < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let written = unsafe clinux_write(descriptor, rest.baseAddress, rest.count)
            if written > 0 {
                offset += written
            } else if written != -Int(EAGAIN) || !waitForRoom(while: isWaiting) {
                return (offset, SystemError(code: Int32(truncatingIfNeeded: 0 &- written)))
            }
        }
        return (offset, nil)
    }

    /// False when nobody is to wait any more.
    private func waitForRoom(while isWaiting: () -> Bool) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        repeat {
            // There is room, or an error, which the next write tells.
            if unsafe poll(&wait, 1, 200) > 0 { return true }
        } while isWaiting()
        return false
    }
}
