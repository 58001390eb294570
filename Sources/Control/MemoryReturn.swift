internal import CLinux

/// When memory is given back to the system: after many connections have closed. A storm of clients would be seen in the
/// process's size for ever otherwise, since what they leave lies scattered among what is still in use.
///
/// It is given back portion by portion as connections close, so that no worker waits for long. What few connections leave,
/// or what the usual coming and going of many does, is kept for the next ones.
struct MemoryReturn {
    static let interval = Duration.milliseconds(250)
    /// Closed without others in their place, since the last time. One with TLS leaves some 50 KiB.
    static let least = 100
    /// What is due at the latest, however many there are.
    static let portion = 1_000

    /// The most that were open since the last time.
    private var most = 0

    /// - Parameter open: connections of clients that are open now.
    mutating func isDue(open: Int) -> Bool {
        most = max(most, open)
        guard most - open >= min(max(Self.least, most / 4), Self.portion) else { return false }
        most = open
        return true
    }

    static func perform() {
        clinux_return_memory()
    }
}
