/// Numbered places for plain values: an array that nobody shares, so that writing to it asks nobody.
@safe struct Slots<Element: BitwiseCopyable>: ~Copyable {
    private var memory: UnsafeMutablePointer<Element>
    private var capacity: Int
    private(set) var count: Int

    init(repeating element: Element, count: Int) {
        unsafe memory = .allocate(capacity: count)
        unsafe memory.initialize(repeating: element, count: count)
        capacity = count
        self.count = count
    }

    init() {
        unsafe memory = .allocate(capacity: 16)
        capacity = 16
        count = 0
    }

    deinit {
        unsafe memory.deallocate()
    }

    mutating func append(_ element: Element) {
        if count == capacity {
            let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
            unsafe larger.moveInitialize(from: memory, count: count)
            unsafe memory.deallocate()
            unsafe memory = larger
            capacity *= 2
        }
        // Below the capacity by the lines above.
        unsafe (memory + count).initialize(to: element)
        count += 1
    }

    subscript(index: Int) -> Element {
        @inline(__always)
        get {
            precondition(index >= 0 && index < count, "no such slot")
            return unsafe memory[index]
        }
        @inline(__always)
        set {
            precondition(index >= 0 && index < count, "no such slot")
            unsafe memory[index] = newValue
        }
    }
}
