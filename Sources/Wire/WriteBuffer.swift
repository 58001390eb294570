/// Bytes to be sent: a message in hand that is being written, and before it those that are complete and wait. Its
/// memory is allocated once, by its owner.
///
/// When something does not fit, nothing of it and nothing after it is written and `overflowed` is true, until
/// `clear`: a message is whole or it is not there.
@safe package struct WriteBuffer: ~Copyable {
    @usableFromInline let memory: UnsafeMutableRawPointer
    package let capacity: Int
    /// The message in hand lies from `start` to `end`.
    @usableFromInline var start = 0
    @usableFromInline var end = 0
    @usableFromInline var hasOverflowed = false

    package init(capacity: Int) {
        precondition(capacity > 0, "a write buffer holds at least one byte")
        self.capacity = capacity
        unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Bytes of the message in hand.
    @inlinable package var count: Int { end &- start }

    @inlinable package var isEmpty: Bool { start == end }

    /// Bytes that fit.
    @inlinable package var available: Int { capacity &- end }

    @inlinable package var overflowed: Bool { hasOverflowed }

    /// Bytes of the messages that wait.
    @inlinable package var waiting: Int { start }

    /// Forgets the message in hand, and an overflow.
    @inlinable
    package mutating func clear() {
        end = start
        hasOverflowed = false
    }

    /// The message in hand is complete and waits. Returns where it lies, until `clearWaiting`.
    @inlinable
    package mutating func setAside() -> Range<Int> {
        let range = start..<end
        start = end
        return range
    }

    /// Forgets the messages that wait, all of which have been sent. Not while there is one in hand.
    @inlinable
    package mutating func clearWaiting() {
        precondition(isEmpty, "a message in hand would be moved")
        start = 0
        end = 0
    }

    /// Lends the message in hand.
    @inlinable
    package borrowing func withBytes<R>(_ body: (RawSpan) -> R) -> R {
        withBytes(start..<end, body)
    }

    /// Lends a message that waits.
    @inlinable
    @inline(__always)
    package borrowing func withBytes<R>(_ range: Range<Int>, _ body: (RawSpan) -> R) -> R {
        precondition(range.upperBound <= end, "no message lies there")
        // Initialized up to `end`, and not written to while this is borrowed.
        return unsafe body(UnsafeRawBufferPointer(start: memory + range.lowerBound, count: range.count).bytes)
    }

    /// Whether `size` bytes fit behind `end`; if not, it has overflowed.
    @inlinable
    @inline(__always)
    mutating func hasRoom(_ size: Int) -> Bool {
        if size <= capacity &- end && !hasOverflowed { return true }
        hasOverflowed = true
        return false
    }

    @inlinable
    package mutating func append(_ bytes: RawSpan) {
        let size = bytes.byteCount
        guard size > 0, hasRoom(size) else { return }
        // The source has `size` bytes, and the memory as many behind `end`.
        unsafe bytes.withUnsafeBytes { source in
            if let first = source.baseAddress { unsafe (memory + end).copyMemory(from: first, byteCount: size) }
        }
        end &+= size
    }

    @inlinable
    package mutating func append(_ bytes: Span<UInt8>) {
        // Bytes have no padding to look into.
        unsafe append(bytes.bytes)
    }

    @inlinable
    @inline(__always)
    package mutating func append(_ literal: StaticString) {
        let size = literal.utf8CodeUnitCount
        guard hasRoom(size) else { return }
        // The literal has `size` bytes, and the memory as many behind `end`.
        unsafe (memory + end).copyMemory(from: literal.utf8Start, byteCount: size)
        end &+= size
    }

    @inlinable
    package mutating func append(byte: UInt8) {
        guard hasRoom(1) else { return }
        // There is a byte behind `end`.
        unsafe (memory + end).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    /// Appends a number in decimal digits, without leading zeros.
    @inlinable
    package mutating func append(decimal number: UInt64) {
        var digits = 1
        var rest = number
        while rest > 9 {
            rest /= 10
            digits &+= 1
        }
        append(number, digits: digits, base: 10)
    }

    /// Appends a number that is not negative in decimal digits.
    @inlinable
    package mutating func append(decimal number: Int) {
        precondition(number >= 0, "no message has a negative number")
        append(decimal: UInt64(number))
    }

    /// Appends a number in lower-case hexadecimal digits, without leading zeros.
    @inlinable
    package mutating func append(hex number: UInt64) {
        append(number, digits: max(1, (67 &- number.leadingZeroBitCount) / 4), base: 16)
    }

    @usableFromInline
    mutating func append(_ number: UInt64, digits: Int, base: UInt64) {
        guard hasRoom(digits) else { return }
        var rest = number
        var place = end &+ digits
        while place > end {
            place &-= 1
            let digit = UInt8(truncatingIfNeeded: rest % base)
            // Between the old end and the new one.
            unsafe (memory + place).storeBytes(of: digit < 10 ? digit &+ 0x30 : digit &+ 0x57, as: UInt8.self)
            rest /= base
        }
        end &+= digits
    }
}

extension WriteBuffer {
    /// Appends the bytes from `start` to `end` of a message; nothing when there are none.
    @inline(__always)
    mutating func append(_ bytes: RawSpan, _ start: Int, _ end: Int) {
        if end > start { append(bytes.extracting(start..<end)) }
    }

    @inline(__always)
    mutating func append(_ bytes: RawSpan, _ range: ByteRange) {
        append(bytes.extracting(range.bounds))
    }
}
