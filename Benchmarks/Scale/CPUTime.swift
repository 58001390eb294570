import Glibc

/// CPU time in nanoseconds.
enum CPUTime {
    static var ofThread: Int64 { read(CLOCK_THREAD_CPUTIME_ID) }
    static var ofProcess: Int64 { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
