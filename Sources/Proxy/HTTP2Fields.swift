internal import CNGHTTP2
internal import Wire

/// Fields on their way into a session: a list that is filled, submitted and filled again. Their bytes stay where they
/// are until then; the session copies them.
@safe struct HTTP2Fields: ~Copyable {
    private let memory: UnsafeMutablePointer<nghttp2_nv>
    private let capacity: Int
    private(set) var count = 0

    init(capacity: Int) {
        self.capacity = capacity
        unsafe memory = .allocate(capacity: capacity)
    }

    deinit {
        unsafe memory.deallocate()
    }

    mutating func removeAll() {
        count = 0
    }

    /// More fields than there is room for are left out: heads that were parsed have fewer.
    mutating func append(_ name: RawSpan, _ value: RawSpan) {
        guard count < capacity else { return }
        // The bytes outlive the submission, by the contract of this list.
        unsafe name.withUnsafeBytes { name in
            unsafe value.withUnsafeBytes { value in
                unsafe (memory + count).initialize(
                    to: cnghttp2_nv(
                        name.baseAddress?.assumingMemoryBound(to: UInt8.self), name.count,
                        value.baseAddress?.assumingMemoryBound(to: UInt8.self), value.count))
            }
        }
        count += 1
    }

    mutating func append(_ name: StaticString, _ value: RawSpan) {
        // A literal's bytes are there for ever.
        append(unsafe UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount).bytes, value)
    }

    mutating func append(_ name: StaticString, bytes value: StaticString) {
        // A literal's bytes are there for ever.
        append(name, unsafe UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount).bytes)
    }

    /// RFC 9113, 8.3: `:authority` may have been found among the others; it changes places with the first of them.
    mutating func movePseudoFieldsFirst() {
        var front = 0
        for i in 0..<count where unsafe memory[i].name.pointee == UInt8(ascii: ":") {
            if front != i {
                let moved = unsafe memory[i]
                unsafe memory[i] = unsafe memory[front]
                unsafe memory[front] = unsafe moved
            }
            front += 1
        }
    }

    /// Lends the list to a submission.
    borrowing func submit<R>(_ body: (UnsafePointer<nghttp2_nv>, Int) -> R) -> R {
        unsafe body(memory, count)
    }
}
