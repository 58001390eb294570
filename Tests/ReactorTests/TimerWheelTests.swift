import Testing

@testable import Reactor

/// Ticks are 4.2 ms: what a wheel may be late by.
private let tick: Int64 = 1 << 22

private final class Alarm: TimerOwner {
    let name: Int
    private(set) var times: [Int64] = []
    var now: () -> Int64 = { 0 }

    init(_ name: Int) {
        self.name = name
    }

    func deadlineReached() {
        times.append(now())
    }
}

struct TimerWheelTests {
    @Test(arguments: [0, 1, tick, 50_000_000, 1_074_000_000, 60_000_000_000, 300_000_000_000, 20_000_000_000_000])
    func `a deadline fires once, never early and at most a tick late`(after: Int64) {
        var now: Int64 = 7_777_777_777
        let wheel = TimerWheel(now: now)
        let alarm = Alarm(1)
        let handle = wheel.add(alarm)
        let deadline = now + after
        wheel.arm(handle, at: deadline)
        var fired: [Int64] = []
        while fired.isEmpty && now < deadline + 10 * tick {
            // As a loop does: sleep for as long as the wheel says, in whole milliseconds.
            let timeout = wheel.timeout(now: now)
            #expect(timeout >= 0)
            now += max(Int64(timeout), 1) * 1_000_000
            while wheel.nextDue(now: now) != nil { fired.append(now) }
        }
        #expect(fired.count == 1)
        #expect(fired[0] >= deadline)
        #expect(fired[0] <= deadline + tick + 2_000_000)
        #expect(wheel.timeout(now: now) == -1)
    }

    @Test func `a deadline that is moved later does not fire at its first time`() {
        let wheel = TimerWheel(now: 0)
        let handle = wheel.add(Alarm(1))
        wheel.arm(handle, at: 10 * tick)
        wheel.arm(handle, at: 20 * tick)
        #expect(wheel.nextDue(now: 15 * tick) == nil)
        #expect(wheel.nextDue(now: 22 * tick) != nil)
    }

    @Test func `a deadline that is moved earlier fires at its new time`() {
        let wheel = TimerWheel(now: 0)
        let handle = wheel.add(Alarm(1))
        wheel.arm(handle, at: 60_000 * tick)
        wheel.arm(handle, at: 3 * tick)
        #expect(wheel.nextDue(now: 5 * tick) != nil)
        #expect(wheel.nextDue(now: 70_000 * tick) == nil)
    }

    @Test func `a disarmed or removed timer does not fire`() {
        let wheel = TimerWheel(now: 0)
        let disarmed = wheel.add(Alarm(1))
        let removed = wheel.add(Alarm(2))
        wheel.arm(disarmed, at: tick)
        wheel.arm(removed, at: tick)
        wheel.disarm(disarmed)
        wheel.remove(removed)
        #expect(wheel.nextDue(now: 1_000 * tick) == nil)
        #expect(wheel.timeout(now: 1_000 * tick) == -1)
    }

    @Test(arguments: UInt64(1)...40)
    func `any sequence of arms, moves and disarms fires as a sorted list would`(seed: UInt64) {
        var random = Seeded(seed)
        var now = Int64.random(in: 0...1 << 50, using: &random)
        let wheel = TimerWheel(now: now)
        let alarms = (0..<40).map { Alarm($0) }
        let handles = alarms.map { wheel.add($0) }
        var model: [Int: Int64] = [:]
        for _ in 0..<2_000 {
            let index = Int.random(in: 0..<alarms.count, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let scale = Int64(1) << Int64.random(in: 10...45, using: &random)
                let deadline = now + Int64.random(in: 0...scale, using: &random)
                wheel.arm(handles[index], at: deadline)
                model[index] = deadline
            case 5:
                wheel.disarm(handles[index])
                model[index] = nil
            default:
                let step = Int64(1) << Int64.random(in: 10...38, using: &random)
                now += Int64.random(in: 0...step, using: &random)
                while let owner = wheel.nextDue(now: now) {
                    let name = (owner as? Alarm)?.name ?? -1
                    let deadline = model.removeValue(forKey: name)
                    #expect(deadline != nil && deadline! <= now, "seed \(seed): fired early or unasked")
                }
                let overdue = model.values.filter { $0 + tick <= now - tick }
                #expect(overdue.isEmpty, "seed \(seed): late")
            }
        }
    }
}

/// SplitMix64.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    init(_ seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
