internal import RouteTable

/// What backends do with a request.
extension World {
    /// What becomes of a request that is sent to a backend now, and when that shows; nil: not by itself.
    func meet(backend number: Int) -> (outcome: AttemptOutcome, at: Int64?) {
        let backend = backends[number]
        if isCut { return (.nothing, nil) }
        let way = distance(to: backend.region)
        switch backend.fault {
        case .refuses: return (.refused, now + way)
        case .drops, .hangs: return (.nothing, nil)
        default: break
        }
        guard let wait = takeIn(number) else { return (.answered(status: 503), now + way) }
        var time = now + way + serviceTime() + wait
        switch backend.fault {
        case .resets: return (.reset, time)
        case .truncates: return (.truncated, time)
        case .errs(let share, let status) where chance.hits(share): return (.answered(status: status), time)
        case .slows(let delay): time += delay.nanoseconds
        case .loses(let share): time += lossDelay(share)
        default: break
        }
        return (.answered(status: 200), time)
    }

    /// How long a request waits at a backend and in its region; nil: there is no room for it.
    private func takeIn(_ number: Int) -> Int64? {
        let own = backends[number].queue.take(at: now)
        let region = backends[number].region
        let shared = regionQueues[region].take(at: now)
        if own ?? .max > Laws.lateness { laws.noteOverload(of: &backends[number], at: now) }
        if shared ?? .max > Laws.lateness { laws.lastOverload[region] = now }
        guard let own, let shared else { return nil }
        return max(own, shared)
    }

    /// There and back.
    func distance(to region: Int) -> Int64 {
        scenario.backends.distance.first { $0.region == region }?.value.nanoseconds ?? 2_000_000
    }

    var work: Int64 { max(scenario.backends.work.nanoseconds, 1) }

    /// Half to one and a half of the mean for most; a few take twice as long, and one in a hundred four times.
    private func serviceTime() -> Int64 {
        let time = work / 2 + chance.below(work)
        switch chance.below(100) {
        case 0: return time * 4
        case 1...6: return time * 2
        default: return time
        }
    }

    /// Each packet lost is sent again after 200 ms, then after twice that.
    private func lossDelay(_ share: Int) -> Int64 {
        var delay: Int64 = 0
        var pause: Int64 = 200_000_000
        while delay < 3_000_000_000, chance.hits(share) {
            delay += pause
            pause *= 2
        }
        return delay
    }
}
