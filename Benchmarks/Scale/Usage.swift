import Glibc

/// What this process has used: CPU time in nanoseconds, and memory.
enum Usage {
    static var ofThread: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }
    static var ofProcess: Int64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    /// The most that was ever resident.
    static var peakMemoryMiB: Int {
        var usage = rusage()
        _ = unsafe getrusage(RUSAGE_SELF.rawValue, &usage)
        return usage.ru_maxrss / 1_024
    }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
