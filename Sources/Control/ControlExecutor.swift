internal import Dispatch
internal import Reactor
internal import Synchronization

/// The thread that Control, and with it the brain, runs on.
///
/// Swift's own threads are as few as the cores, and everything asynchronous shares them: an explanation, or a page for
/// somebody, that takes a core for a second must not keep the brain from looking.
final class ControlExecutor: SerialExecutor {
    private let jobs = Mutex<[UnownedJob]>([])
    private let wake = DispatchSemaphore(value: 0)

    init() throws(SystemError) {
        try Thread.start(name: "control") { [self] in
            while true {
                wake.wait()
                let due = jobs.withLock { jobs in
                    defer { jobs = [] }
                    return jobs
                }
                for job in due { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        wake.signal()
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }
}
