extension [UInt8] {
    /// Appends the bytes of a span.
    package mutating func append(contentsOf bytes: RawSpan) {
        // The pointer does not outlive the call.
        unsafe bytes.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }

    /// The array's bytes, for the time of `body`: a span of a class's stored array cannot be named otherwise.
    @inline(__always)
    package func withBytes<R>(_ body: (RawSpan) throws -> R) rethrows -> R {
        // Bytes have no padding to look into.
        try unsafe body(span.bytes)
    }
}
