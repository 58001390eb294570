internal import CNGHTTP2
internal import Wire

/// The frames of one connection, of either side: nghttp2's session behind an owner. It does no I/O, and tells its
/// connection what happens (HTTP2Callbacks.swift) from within `receive` and `collect`, neither of which must be called
/// again from there.
///
/// nghttp2's functions fail for want of memory, and for what does not fit the state of a stream. What would leave somebody
/// waiting is told to the caller; where nobody waits, the line says why its result does not matter.
@safe struct HTTP2Session: ~Copyable {
    private let pointer: OpaquePointer

    /// - Parameter firstStream: of those that are begun here; a connection has 2^30 of them.
    init(asServer: Bool, firstStream: Int = 1) {
        guard let made = unsafe asServer ? cnghttp2_server(nil) : cnghttp2_client(nil) else {
            preconditionFailure("out of memory")
        }
        unsafe pointer = made
        // Fails for numbers that are none of a client's.
        if firstStream > 1 { _ = unsafe nghttp2_session_set_next_stream_id(pointer, Int32(clamping: firstStream)) }
    }

    deinit {
        unsafe nghttp2_session_del(pointer)
    }

    /// Whom to tell; it must live as long as the session.
    func tell(_ connection: HTTP2Connection) {
        unsafe nghttp2_session_set_user_data(pointer, Unmanaged.passUnretained(connection).toOpaque())
    }

    /// Says what the peer may do, and how large a window the connection has; streams have one of 64 KiB each. False: it
    /// cannot be said.
    func settle(_ settings: [(nghttp2_settings_id, UInt32)], window: Int32) -> Bool {
        let entries = settings.map { nghttp2_settings_entry(settings_id: Int32($0.0.rawValue), value: $0.1) }
        let isSaid = unsafe entries.withUnsafeBufferPointer {
            unsafe nghttp2_submit_settings(pointer, Self.noFlags, $0.baseAddress, $0.count) == 0
        }
        return unsafe isSaid && nghttp2_session_set_local_window_size(pointer, Self.noFlags, 0, window) == 0
    }

    private static var noFlags: UInt8 { UInt8(NGHTTP2_FLAG_NONE.rawValue) }

    /// A stream's number as nghttp2 takes it. Numbers from the wire are `Int` everywhere else: arithmetic on 32 bits, checked
    /// as Swift does it, would end the process at the last of them.
    @inline(__always)
    private func number(_ stream: Int) -> Int32 { Int32(truncatingIfNeeded: stream) }

    // Bytes

    /// Takes bytes from the peer. False: that was too much of something; a fault in what they say is answered by itself.
    func receive(_ bytes: RawSpan) -> Bool {
        unsafe bytes.withUnsafeBytes {
            unsafe nghttp2_session_mem_recv(pointer, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), $0.count)
        } >= 0
    }

    /// Lends the next piece of what is to be sent. False: there is nothing at present. Nil: the session is broken.
    func collect(_ body: (RawSpan) -> Void) -> Bool? {
        var bytes: UnsafePointer<UInt8>?
        let count = unsafe nghttp2_session_mem_send(pointer, &bytes)
        if count < 0 { return nil }
        guard count > 0, let bytes = unsafe bytes else { return false }
        unsafe body(UnsafeRawBufferPointer(start: bytes, count: count).bytes)
        return true
    }

    /// Nothing that the peer may still say matters.
    var wantsToRead: Bool { unsafe nghttp2_session_want_read(pointer) != 0 }

    /// Everything is said and heard.
    var isOver: Bool {
        unsafe nghttp2_session_want_read(pointer) == 0 && nghttp2_session_want_write(pointer) == 0
    }

    // The connection

    /// GOAWAY, and nothing after it. If it cannot be said, the connection ends without.
    func terminate(_ reason: HTTP2Error) {
        _ = unsafe nghttp2_session_terminate_session(pointer, reason.rawValue)
    }

    /// Tells the peer that the connection will end soon; streams it began meanwhile are still served. If it cannot be said,
    /// `refuseFurtherStreams` comes without notice.
    func announceEnd() {
        _ = unsafe nghttp2_submit_shutdown_notice(pointer)
    }

    /// No stream after those that were received is served. If it cannot be said, the drain's end closes the connection.
    func refuseFurtherStreams() {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(pointer)
        _ = unsafe nghttp2_submit_goaway(pointer, Self.noFlags, last, HTTP2Error.noError.rawValue, nil, 0)
    }

    /// Asks the peer whether it is there. If it cannot be said, nothing will come, as if it were not.
    func ping() {
        _ = unsafe nghttp2_submit_ping(pointer, Self.noFlags, nil)
    }

    /// The peer may send so many bytes more, on all streams together. It fails for more than came.
    func openWindow(_ count: Int) {
        _ = unsafe nghttp2_session_consume_connection(pointer, count)
    }

    // Streams

    /// It fails for a stream that is gone, whose bytes nobody waits to send.
    func openWindow(of stream: Int, _ count: Int) {
        _ = unsafe nghttp2_session_consume_stream(pointer, number(stream), count)
    }

    /// How many bytes of a body the peer takes now, by the windows of the stream and of the connection.
    func room(for stream: Int) -> Int {
        let ofStream = unsafe nghttp2_session_get_stream_remote_window_size(pointer, number(stream))
        let ofAll = unsafe nghttp2_session_get_remote_window_size(pointer)
        return Int(max(min(ofStream, ofAll), 0))
    }

    /// It fails for a stream that is gone, or was never begun.
    func reset(_ stream: Int, _ reason: HTTP2Error) {
        _ = unsafe nghttp2_submit_rst_stream(pointer, Self.noFlags, number(stream), reason.rawValue)
    }

    /// Who the stream belongs to: it must live until the stream is closed. False: there is no such stream.
    func setOwner(of stream: Int, _ owner: AnyObject) -> Bool {
        let owner = unsafe Unmanaged.passUnretained(owner).toOpaque()
        return unsafe nghttp2_session_set_stream_user_data(pointer, number(stream), owner) == 0
    }

    @inline(__always)
    func owner<Owner: AnyObject>(of stream: Int, as type: Owner.Type) -> Uncounted<Owner>? {
        guard let owner = unsafe nghttp2_session_get_stream_user_data(pointer, number(stream)) else { return nil }
        // Set by `setOwner`, for as long as the stream is there.
        return Uncounted(unsafe Unmanaged<Owner>.fromOpaque(owner).takeUnretainedValue())
    }

    func hasStream(_ stream: Int) -> Bool {
        unsafe nghttp2_session_get_stream_remote_close(pointer, number(stream)) >= 0
    }

    /// A body that had nothing goes on. It fails for a stream that is gone, or has nothing that waits.
    func resume(_ stream: Int) {
        _ = unsafe nghttp2_session_resume_data(pointer, number(stream))
    }

    // Messages

    /// A head of an answer; without a body it ends the stream. False: it will not be sent.
    func submitAnswer(_ stream: Int, _ fields: borrowing HTTP2Fields, body: HTTP2Body?) -> Bool {
        unsafe fields.submit { fields, count in
            guard let body else {
                return unsafe nghttp2_submit_response(pointer, number(stream), fields, count, nil) == 0
            }
            // The body belongs to the stream's owner.
            var provider = unsafe cnghttp2_provider(Unmanaged.passUnretained(body).toOpaque())
            return unsafe nghttp2_submit_response(pointer, number(stream), fields, count, &provider) == 0
        }
    }

    /// Returns the stream's number; nil: none is left, or there is no memory.
    func submitRequest(_ fields: borrowing HTTP2Fields, body: HTTP2Body?, owner: AnyObject) -> Int? {
        // The owner outlives its stream in the session, and the body is the owner's.
        let owner = unsafe Unmanaged.passUnretained(owner).toOpaque()
        let stream = unsafe fields.submit { fields, count in
            guard let body else { return unsafe nghttp2_submit_request(pointer, nil, fields, count, nil, owner) }
            var provider = unsafe cnghttp2_provider(Unmanaged.passUnretained(body).toOpaque())
            return unsafe nghttp2_submit_request(pointer, nil, fields, count, &provider, owner)
        }
        return stream > 0 ? Int(stream) : nil
    }

    /// Streams the peer allows at once.
    var streamsAllowed: Int {
        Int(unsafe nghttp2_session_get_remote_settings(pointer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// False: it will not be sent.
    func submitInterim(_ stream: Int, _ fields: borrowing HTTP2Fields) -> Bool {
        unsafe fields.submit { fields, count in
            unsafe nghttp2_submit_headers(pointer, Self.noFlags, number(stream), nil, fields, count, nil) == 0
        }
    }

    /// False: they will not be sent.
    func submitTrailers(_ stream: Int, _ fields: borrowing HTTP2Fields) -> Bool {
        unsafe fields.submit { unsafe nghttp2_submit_trailer(pointer, number(stream), $0, $1) == 0 }
    }
}

/// Error codes of RFC 9113, 7, as far as they are used.
enum HTTP2Error: UInt32 {
    case noError = 0
    case protocolError = 1
    case internalError = 2
    case streamClosed = 5
    case refusedStream = 7
    case cancel = 8
    case enhanceYourCalm = 11
}
