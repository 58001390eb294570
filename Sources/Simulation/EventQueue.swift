/// What is still to happen, the soonest first; of what happens at the same time, the one that was put in first.
struct EventQueue<Event> {
    private struct Entry {
        let time: Int64
        let sequence: UInt64
        let event: Event

        func isBefore(_ other: Entry) -> Bool {
            time != other.time ? time < other.time : sequence < other.sequence
        }
    }

    /// A binary heap.
    private var entries: [Entry] = []
    private var sequence: UInt64 = 0

    /// When the next one happens; nil when there is none.
    var nextTime: Int64? { entries.first?.time }

    mutating func put(_ event: Event, at time: Int64) {
        sequence += 1
        var child = entries.count
        let entry = Entry(time: time, sequence: sequence, event: event)
        entries.append(entry)
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry.isBefore(entries[parent]) else { break }
            entries[child] = entries[parent]
            child = parent
        }
        entries[child] = entry
    }

    mutating func take() -> Event? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        if entries.isEmpty { return first.event }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= entries.count { break }
            if child + 1 < entries.count, entries[child + 1].isBefore(entries[child]) { child += 1 }
            guard entries[child].isBefore(last) else { break }
            entries[parent] = entries[child]
            parent = child
        }
        entries[parent] = last
        return first.event
    }

    /// Puts off what was to happen before a time until then; what `isLate` says after the rest, in the same order.
    mutating func putOff(until time: Int64, where isConcerned: (Event) -> Bool, isLate: (Event) -> Bool) {
        let due = entries.filter { $0.time < time && isConcerned($0.event) }.sorted { $0.isBefore($1) }
        let rest = entries.filter { !($0.time < time && isConcerned($0.event)) }
        entries = []
        for entry in rest.sorted(by: { $0.isBefore($1) }) { put(entry.event, at: entry.time) }
        for entry in due where !isLate(entry.event) { put(entry.event, at: time) }
        for entry in due where isLate(entry.event) { put(entry.event, at: time) }
    }
}
