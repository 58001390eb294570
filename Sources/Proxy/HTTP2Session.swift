internal import CNGHTTP2
internal import Wire

/// The frames of one connection, of either side: nghttp2's session behind an owner. It does no I/O, and tells its
/// connection what happens (HTTP2Callbacks.swift) from within `receive` and `collect`, neither of which must be called
/// again from there.
@safe struct HTTP2Session: ~Copyable {
    private let pointer: OpaquePointer

    init(asServer: Bool) {
        guard let made = unsafe asServer ? cnghttp2_server(nil) : cnghttp2_client(nil) else {
            preconditionFailure("out of memory")
        }
        unsafe pointer = made
    }

    deinit {
        unsafe nghttp2_session_del(pointer)
    }

    /// Whom to tell; it must live as long as the session.
    func tell(_ connection: HTTP2Connection) {
        unsafe nghttp2_session_set_user_data(pointer, Unmanaged.passUnretained(connection).toOpaque())
    }

    /// Says what the peer may do, and how large a window the connection has; streams have one of 64 KiB each.
    func settle(_ settings: [(nghttp2_settings_id, UInt32)], window: Int32) {
        let entries = settings.map { nghttp2_settings_entry(settings_id: Int32($0.0.rawValue), value: $0.1) }
        unsafe entries.withUnsafeBufferPointer {
            _ = unsafe nghttp2_submit_settings(pointer, Self.noFlags, $0.baseAddress, $0.count)
        }
        _ = unsafe nghttp2_session_set_local_window_size(pointer, Self.noFlags, 0, window)
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

    /// Lends the next piece of what is to be sent. False: there is nothing at present.
    func collect(_ body: (RawSpan) -> Void) -> Bool {
        var bytes: UnsafePointer<UInt8>?
        let count = unsafe nghttp2_session_mem_send(pointer, &bytes)
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

    /// GOAWAY, and nothing after it.
    func terminate(_ reason: HTTP2Error) {
        _ = unsafe nghttp2_session_terminate_session(pointer, reason.rawValue)
    }

    /// Tells the peer that the connection will end soon; streams it began meanwhile are still served.
    func announceEnd() {
        _ = unsafe nghttp2_submit_shutdown_notice(pointer)
    }

    /// No stream after those that were received is served.
    func refuseFurtherStreams() {
        let last = unsafe nghttp2_session_get_last_proc_stream_id(pointer)
        _ = unsafe nghttp2_submit_goaway(pointer, Self.noFlags, last, HTTP2Error.noError.rawValue, nil, 0)
    }

    /// The peer may send so many bytes more, on all streams together.
    func openWindow(_ count: Int) {
        _ = unsafe nghttp2_session_consume_connection(pointer, count)
    }

    // Streams

    func openWindow(of stream: Int, _ count: Int) {
        _ = unsafe nghttp2_session_consume_stream(pointer, number(stream), count)
    }

    /// How many bytes of a body the peer takes now, by the windows of the stream and of the connection.
    func room(for stream: Int) -> Int {
        let ofStream = unsafe nghttp2_session_get_stream_remote_window_size(pointer, number(stream))
        let ofAll = unsafe nghttp2_session_get_remote_window_size(pointer)
        return Int(max(min(ofStream, ofAll), 0))
    }

    func reset(_ stream: Int, _ reason: HTTP2Error) {
        _ = unsafe nghttp2_submit_rst_stream(pointer, Self.noFlags, number(stream), reason.rawValue)
    }

    /// Who the stream belongs to: it must live until the stream is closed, or disowned.
    func setOwner(of stream: Int, _ owner: AnyObject?) {
        let owner = unsafe owner.map { unsafe Unmanaged.passUnretained($0).toOpaque() }
        _ = unsafe nghttp2_session_set_stream_user_data(pointer, number(stream), owner)
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

    /// A body that had nothing goes on.
    func resume(_ stream: Int) {
        _ = unsafe nghttp2_session_resume_data(pointer, number(stream))
    }

    // Messages

    /// A head of an answer; without a body it ends the stream.
    func submitAnswer(_ stream: Int, _ fields: borrowing HTTP2Fields, body: HTTP2Body?) {
        unsafe fields.submit { fields, count in
            if let body {
                // The body belongs to the stream's owner.
                var provider = unsafe cnghttp2_provider(Unmanaged.passUnretained(body).toOpaque())
                _ = unsafe nghttp2_submit_response(pointer, number(stream), fields, count, &provider)
            } else {
                _ = unsafe nghttp2_submit_response(pointer, number(stream), fields, count, nil)
            }
        }
    }

    /// Returns the stream's number.
    func submitRequest(_ fields: borrowing HTTP2Fields, body: HTTP2Body?, owner: AnyObject) -> Int {
        // The owner outlives its stream in the session, and the body is the owner's.
        let owner = unsafe Unmanaged.passUnretained(owner).toOpaque()
        return unsafe fields.submit { fields, count in
            guard let body else { return Int(unsafe nghttp2_submit_request(pointer, nil, fields, count, nil, owner)) }
            var provider = unsafe cnghttp2_provider(Unmanaged.passUnretained(body).toOpaque())
            return Int(unsafe nghttp2_submit_request(pointer, nil, fields, count, &provider, owner))
        }
    }

    /// Streams the peer allows at once.
    var streamsAllowed: Int {
        Int(unsafe nghttp2_session_get_remote_settings(pointer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    func submitInterim(_ stream: Int, _ fields: borrowing HTTP2Fields) {
        unsafe fields.submit { fields, count in
            _ = unsafe nghttp2_submit_headers(pointer, Self.noFlags, number(stream), nil, fields, count, nil)
        }
    }

    func submitTrailers(_ stream: Int, _ fields: borrowing HTTP2Fields) {
        unsafe fields.submit { _ = unsafe nghttp2_submit_trailer(pointer, number(stream), $0, $1) }
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
