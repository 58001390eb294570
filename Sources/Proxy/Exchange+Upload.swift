internal import Picking
internal import Reactor

/// A request whose body takes its time on the way. As long as it moves, that time is not the endpoint's: see
/// `UploadProgress`. Short requests arrive with the first flight, and nobody looks.
extension Exchange {
    /// A body is longer than what goes out at once.
    func lookAfterUpload() {
        lookDeadline = UploadProgress.firstLook(now: worker.loop.now)
        armTimer()
    }

    /// Whether an answer that stands still is waited for, as its endpoint goes on taking the request; then the deadline is
    /// renewed.
    func isTaken(now: Int64) -> Bool {
        guard !restsOnPurpose, let attempt = first?.counted else { return false }
        let left = attempt.service.idleTimeout - endpointWait(attempt, now: now)
        if left > 0 { idleDeadline = now + left }
        return left > 0
    }

    /// Looks how much of the request has arrived, and when to look again.
    func lookAtUpload(now: Int64) {
        lookDeadline = .max
        for attempt in [second?.counted, first?.counted] {
            guard let attempt, !attempt.isSent || !attempt.lookAtUpload(now: now) else { continue }
            lookDeadline = min(lookDeadline, attempt.upload.nextLook(now: now))
        }
    }

    /// When the usual time will be over, as it did not run while a client, or the way of a request, took its time; nil: it
    /// is over.
    func laterOverstay(of attempt: Upstream, now: Int64) -> Int64? {
        // A connection is waited for whatever the client says meanwhile.
        guard attempt.isReached else { return nil }
        let isOwed = awaitsContinue || isClientAwaited(by: attempt, now: now)
        guard isOwed || max(clientSpokeAt, attempt.upload.movedAt) > attempt.began else { return nil }
        let left = attempt.service.hedgeDelay(attempt.cell) - (isOwed ? 0 : endpointWait(attempt, now: now))
        return left > 0 ? now + left : nil
    }

    /// Whether the time to the answer's head tells what answers of the endpoint take: not of a long body's transfer, nor of
    /// a client that was still sending.
    var isComparable: Bool { bytesFromClient <= UploadProgress.comparable && isRequestComplete }

    /// How long this request must wait before its endpoint overstays; nil: nobody knows.
    func overstay(of attempt: Upstream) -> Int64? {
        bytesFromClient <= UploadProgress.comparable ? attempt.service.overstay(attempt.cell) : nil
    }
}
