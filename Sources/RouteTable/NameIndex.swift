/// Finds numbers by name: a hash table with open addressing over names in an arena.
///
/// A name belongs to an owner (a list of hosts, a node of the path tree, a field name), so that one index serves all
/// of them. At most half of the slots are taken.
struct NameIndex: Sendable {
    private struct Slot: Sendable {
        /// The upper half of the name's hash; the lower half says where the search begins.
        var tag: UInt32 = 0
        var owner: Int32 = 0
        var name = ArenaRange()
        /// -1: an empty slot.
        var value: Int32 = -1
    }

    /// A name on its way into an index.
    struct Entry {
        let owner: Int32
        let name: ArenaRange
        let value: Int32
    }

    private let slots: [Slot]

    /// - Parameter entries: no two with the same owner and the same bytes.
    init(_ entries: [Entry], arena: [UInt8]) {
        var capacity = 2
        while capacity < entries.count * 2 { capacity *= 2 }
        var slots = [Slot](repeating: Slot(), count: capacity)
        let bytes = arena.span
        for entry in entries {
            // Bytes have no padding to look into.
            let hash = ByteHash.of(
                unsafe bytes.bytes, from: Int(entry.name.start), to: Int(entry.name.start + entry.name.count),
                owner: entry.owner, ignoringCase: false)
            var slot = Int(truncatingIfNeeded: hash) & (capacity - 1)
            while slots[slot].value >= 0 { slot = (slot + 1) & (capacity - 1) }
            slots[slot] = Slot(
                tag: UInt32(truncatingIfNeeded: hash >> 32), owner: entry.owner, name: entry.name, value: entry.value)
        }
        self.slots = slots
    }

    /// The number of the name `bytes[start..<end]` of an owner, or -1.
    @inline(__always)
    func find(
        _ bytes: RawSpan, from start: Int, to end: Int, owner: Int32, arena: RawSpan, ignoringCase: Bool = false
    ) -> Int32 {
        let slots = slots.span
        let hash = ByteHash.of(bytes, from: start, to: end, owner: owner, ignoringCase: ignoringCase)
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        let mask = slots.count &- 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[index]
            if slot.value < 0 { return -1 }
            if slot.tag == tag, slot.owner == owner,
                ByteHash.isEqual(bytes, from: start, to: end, arena, slot.name, ignoringCase: ignoringCase)
            {
                return slot.value
            }
            index = (index &+ 1) & mask
        }
    }
}
