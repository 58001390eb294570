internal import CLinux

package enum Cores {
    /// How many cores this process may use: its affinity, not the machine's size.
    package static var available: Int { Int(clinux_core_count()) }
}
