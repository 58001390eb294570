internal import CLinux
internal import Files
internal import Glibc
internal import Telemetry

/// What the kernel says of this process, under the names that all clients of Prometheus use for it.
struct ProcessStatistics {
    /// Clock ticks of /proc, in seconds.
    private static let tick = 1 / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))

    private let fields: [Substring]

    init() {
        let text = String(decoding: (try? RegularFile.read("/proc/self/stat", atMost: 65_536)) ?? [], as: UTF8.self)
        // The second field is the command's name in parentheses, and may have anything in it.
        fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
    }

    /// A field by its number in proc(5), from 3 on.
    private func field(_ number: Int) -> Double? {
        fields.indices.contains(number - 2) ? Double(fields[number - 2]) : nil
    }

    /// Of all threads, in user mode and in the kernel.
    var cpuSeconds: Double? {
        guard let user = field(14), let system = field(15) else { return nil }
        return (user + system) * Self.tick
    }

    /// In Unix time.
    var startSeconds: Double? {
        var (wall, boot) = (timespec(), timespec())
        guard let start = field(22), unsafe clock_gettime(CLOCK_REALTIME, &wall) == 0,
            unsafe clock_gettime(CLOCK_BOOTTIME, &boot) == 0
        else { return nil }
        let booted = Double(wall.tv_sec - boot.tv_sec) + Double(wall.tv_nsec - boot.tv_nsec) / 1e9
        return ((booted + start * Self.tick) * 100).rounded() / 100
    }

    var virtualBytes: Double? { field(23) }

    var residentBytes: Double? { field(24).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) } }

    var threads: Double? { field(20) }

    var openDescriptors: Int? {
        let count = clinux_open_descriptors()
        return count >= 0 ? count : nil
    }

    func write(to text: inout MetricsText, descriptorLimit: Int) {
        func gauge(_ name: String, _ help: String, _ value: Double?) {
            guard let value else { return }
            text.family(name, .gauge, help)
            text.sample([], value)
        }
        if let cpuSeconds {
            text.family("process_cpu_seconds_total", .counter, "Processor time that the process has used.")
            text.sample([], cpuSeconds)
        }
        gauge("process_start_time_seconds", "When the process started, in Unix time.", startSeconds)
        gauge("process_resident_memory_bytes", "Memory that is in use.", residentBytes)
        gauge("process_virtual_memory_bytes", "Memory that is mapped.", virtualBytes)
        gauge("process_threads", "Threads.", threads)
        gauge("process_open_fds", "Descriptors (open files, sockets) in use.", openDescriptors.map(Double.init))
        gauge("process_max_fds", "Descriptors that the process may have.", Double(descriptorLimit))
    }
}
