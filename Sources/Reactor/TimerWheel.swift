/// Something that wants to know when its time has come.
package protocol TimerOwner: AnyObject {
    /// The deadline has passed; the timer is disarmed. It may be armed again at once.
    func deadlineReached()
}

/// Deadlines by the thousand, cheap to move.
///
/// A hierarchical wheel (Varghese and Lauck, 1987) with lazy entries: moving a deadline *later*, which is what every
/// request does, is one store; the entry stays in its slot and is put where it belongs when that slot comes up. So
/// an active connection costs one relink per slot time, not one per request. Resolution: one tick, 4.2 ms; never early.
package final class TimerWheel {
    /// Names one timer; valid from `add` to `remove`.
    package struct Handle {
        var index: Int32
    }

    private struct Entry {
        var deadline: Int64
        /// Where it is linked: level × 256 + slot; -1: nowhere.
        var place: Int32
        var next: Int32
        var previous: Int32
    }

    /// A tick is 2^22 ns.
    private static let tickBits: Int64 = 22
    private static let levels = 3
    private static let slots = 256

    private var entries = Slots<Entry>()
    private var owners: [(any TimerOwner)?] = []
    private var free: [Int32] = []
    private var heads: Slots<Int32>
    /// One bit per slot that is not empty, four words a level.
    private var occupied: Slots<UInt64>
    private var tick: Int64
    /// Linked entries, all levels.
    private var linked = 0

    package init(now: Int64) {
        heads = Slots(repeating: -1, count: Self.levels * Self.slots)
        occupied = Slots(repeating: 0, count: Self.levels * 4)
        tick = now >> Self.tickBits
    }

    /// A new timer, disarmed. The wheel keeps `owner` alive until `remove`.
    package func add(_ owner: any TimerOwner) -> Handle {
        let index = free.popLast() ?? Int32(owners.count)
        if Int(index) == owners.count {
            entries.append(Entry(deadline: .max, place: -1, next: -1, previous: -1))
            owners.append(owner)
        } else {
            owners[Int(index)] = owner
        }
        return Handle(index: index)
    }

    package func remove(_ handle: Handle) {
        let index = Int(handle.index)
        if entries[index].place >= 0 { unlink(index) }
        owners[index] = nil
        entries[index].deadline = .max
        free.append(handle.index)
    }

    /// Keeps no owner alive any more, and calls none.
    func forgetOwners() {
        for index in owners.indices { owners[index] = nil }
    }

    /// Sets the deadline, in nanoseconds of the loop's clock, replacing the one before.
    package func arm(_ handle: Handle, at deadline: Int64) {
        let index = Int(handle.index)
        let before = entries[index].deadline
        entries[index].deadline = deadline
        if entries[index].place < 0 {
            link(index)
        } else if deadline < before && place(for: deadline) != entries[index].place {
            unlink(index)
            link(index)
        }
    }

    package func disarm(_ handle: Handle) {
        entries[Int(handle.index)].deadline = .max
    }

    /// Milliseconds until something may be due, or -1 when nothing is armed. Rounded up.
    package func timeout(now: Int64) -> Int32 {
        if linked == 0 { return -1 }
        let next = nextTick()
        let nanoseconds = (next << Self.tickBits) - now
        return nanoseconds <= 0 ? 0 : Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    /// The next owner whose deadline has passed, disarmed; nil when there is none. Call until nil.
    package func nextDue(now: Int64) -> (any TimerOwner)? {
        let target = now >> Self.tickBits
        while true {
            let slot = Int(tick & 255)
            while heads[slot] >= 0 {
                let index = Int(heads[slot])
                unlink(index)
                if entries[index].deadline <= now {
                    entries[index].deadline = .max
                    return owners[index]
                }
                if entries[index].deadline != .max { link(index, after: tick) }
            }
            if tick >= target { return nil }
            tick = linked == 0 ? target : min(target, nextTick(after: tick))
            cascade()
        }
    }

    /// Moves what the upper levels hold for the time that begins now into its right place.
    private func cascade() {
        guard tick & 255 == 0 else { return }
        if (tick >> 8) & 255 == 0 { relinkAll(2 * 256 + Int((tick >> 16) & 255)) }
        relinkAll(256 + Int((tick >> 8) & 255))
    }

    private func relinkAll(_ place: Int) {
        var index = heads[place]
        heads[place] = -1
        occupied[place >> 6] &= ~(1 << UInt64(place & 63))
        while index >= 0 {
            let following = entries[Int(index)].next
            entries[Int(index)].place = -1
            linked -= 1
            if entries[Int(index)].deadline != .max { link(Int(index)) }
            index = following
        }
    }

    private func nextTick() -> Int64 {
        occupiedSlot(from: Int(tick & 255)).map { (tick & ~255) + Int64($0) } ?? (tick & ~255) + 256
    }

    private func nextTick(after tick: Int64) -> Int64 {
        let slot = Int(tick & 255)
        if slot == 255 { return tick + 1 }
        return occupiedSlot(from: slot + 1).map { (tick & ~255) + Int64($0) } ?? (tick & ~255) + 256
    }

    /// The first occupied slot of the lowest level from `slot` on, before it wraps.
    private func occupiedSlot(from slot: Int) -> Int? {
        var word = slot >> 6
        var bits = occupied[word] & (~0 << UInt64(slot & 63))
        while true {
            if bits != 0 { return word << 6 + bits.trailingZeroBitCount }
            word += 1
            if word == 4 { return nil }
            bits = occupied[word]
        }
    }

    /// Where a deadline belongs, seen from the present tick: rounded up, and no later than the top level reaches.
    private func place(for deadline: Int64, after floor: Int64? = nil) -> Int32 {
        let due = deadline == .max ? .max : (deadline >> Self.tickBits) + 1
        let wanted = max(due, floor.map { $0 + 1 } ?? tick)
        // A slot of a level is reached again only in its turn, so positions decide, not distances.
        if wanted >> 8 == tick >> 8 { return Int32(wanted & 255) }
        if (wanted >> 8) - (tick >> 8) < 256 { return 256 + Int32((wanted >> 8) & 255) }
        let top = min(wanted >> 16, (tick >> 16) + 255)
        return 512 + Int32(top & 255)
    }

    private func link(_ index: Int, after floor: Int64? = nil) {
        let place = place(for: entries[index].deadline, after: floor)
        let head = heads[Int(place)]
        entries[index].place = place
        entries[index].next = head
        entries[index].previous = -1
        if head >= 0 { entries[Int(head)].previous = Int32(index) }
        heads[Int(place)] = Int32(index)
        occupied[Int(place) >> 6] |= 1 << UInt64(place & 63)
        linked += 1
    }

    private func unlink(_ index: Int) {
        let entry = entries[index]
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            let place = Int(entry.place)
            heads[place] = entry.next
            if entry.next < 0 { occupied[place >> 6] &= ~(1 << UInt64(place & 63)) }
        }
        if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous }
        entries[index].place = -1
        linked -= 1
    }
}
