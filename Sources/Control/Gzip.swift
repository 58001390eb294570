internal import CZlib

/// gzip (RFC 1952), for pages that are long and all alike.
enum Gzip {
    /// Nil when there is no memory for it.
    static func compressed(_ bytes: [UInt8]) -> [UInt8]? {
        let room = czlib_bound(bytes.count)
        var count = 0
        let result = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, written in
            unsafe bytes.withUnsafeBufferPointer { bytes in
                count = unsafe czlib_gzip(bytes.baseAddress, bytes.count, buffer.baseAddress, room)
            }
            written = max(0, count)
        }
        return count > 0 ? result : nil
    }
}
