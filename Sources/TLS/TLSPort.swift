internal import COpenSSL
package import Reactor

/// The memory through which all encrypted bytes of one thread go: what was received, and what is to be sent.
///
/// A session reads from it and writes to it while it is used, and leaves nothing in it: what it cannot use yet it keeps
/// itself. So the memory stays hot, and an idle connection owns none of it.
@safe package final class TLSPort {
    /// Ciphertext that is read at once, at most.
    package static let inputLimit = 262_144
    /// Room for what comes of that much plaintext, and for a flight of a handshake with the longest of chains.
    private static let outputRoom = 524_288
    /// What a record adds to its plaintext, at most (RFC 8446, 5.2; RFC 5246, 6.2.3).
    static let recordOverhead = 512
    package static let recordLimit = 16_384

    let state: UnsafeMutablePointer<cssl_port>
    let bio: OpaquePointer
    private let input: UnsafeMutableRawBufferPointer

    package init() {
        unsafe input = .allocate(byteCount: Self.inputLimit, alignment: 64)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: cssl_port())
        unsafe state.pointee.output = .allocate(capacity: Self.outputRoom)
        unsafe state.pointee.output_room = Self.outputRoom
        guard let bio = unsafe cssl_bio_create(state) else { preconditionFailure("out of memory") }
        unsafe self.bio = bio
    }

    deinit {
        // Sessions keep the port, so nobody reads from it any more.
        unsafe cssl_bio_free(bio)
        unsafe state.pointee.output.deallocate()
        unsafe state.deallocate()
        unsafe input.deallocate()
    }

    // Input

    var inputCount: Int { unsafe state.pointee.input_count }

    /// Messages without data that sessions have read from it: handshakes', alerts.
    var messages: Int { Int(truncatingIfNeeded: unsafe state.pointee.messages) }

    package var hasInput: Bool { unsafe state.pointee.input_count > 0 }

    /// Reads once from a socket. The last input must have been used.
    package func receive(from socket: borrowing Socket, limit: Int = inputLimit) -> ReadOutcome {
        let room = unsafe UnsafeMutableRawBufferPointer(rebasing: input[..<min(limit, input.count)])
        let outcome = unsafe socket.receive(into: room)
        if case .bytes(let count) = outcome { offer(count) }
        return outcome
    }

    /// Takes bytes that were received elsewhere, `inputLimit` of them at most. The last input must have been used.
    package func fill(_ bytes: RawSpan) {
        precondition(bytes.byteCount <= Self.inputLimit, "more input than fits")
        unsafe bytes.withUnsafeBytes { unsafe input.copyMemory(from: $0) }
        offer(bytes.byteCount)
    }

    private func offer(_ count: Int) {
        unsafe state.pointee.input = UnsafePointer(input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe state.pointee.input_count = count
    }

    /// What was not used, which is forgotten here.
    func takeInput() -> [UInt8] {
        let rest = unsafe [UInt8](
            UnsafeBufferPointer(start: state.pointee.input, count: state.pointee.input_count))
        unsafe state.pointee.input_count = 0
        return rest
    }

    // Output

    package var hasOutput: Bool { unsafe state.pointee.output_count > 0 }

    /// Whether a whole record fits.
    var hasRoomForRecord: Bool {
        unsafe state.pointee.output_room - state.pointee.output_count >= Self.recordLimit + Self.recordOverhead
    }

    /// Lends what is to be sent, and forgets it.
    package func takeOutput<R>(_ body: (RawSpan) -> R) -> R {
        let count = unsafe state.pointee.output_count
        unsafe state.pointee.output_count = 0
        // Nothing is written to it within `body`, which only sends or copies.
        return unsafe body(UnsafeRawBufferPointer(start: state.pointee.output, count: count).bytes)
    }

    package func dropOutput() {
        unsafe state.pointee.output_count = 0
    }
}
