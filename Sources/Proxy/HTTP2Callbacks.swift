internal import CNGHTTP2
internal import Reactor
internal import Wire

// What nghttp2 calls: each finds its connection and tells it. Declared in CNGHTTP2.h. The connection outlives its
// session, and pointers are good for the time of the call.

private func connection(_ pointer: UnsafeMutableRawPointer?) -> Uncounted<HTTP2Connection> {
    guard let pointer = unsafe pointer else { preconditionFailure("a session without a connection") }
    return Uncounted(unsafe Unmanaged<HTTP2Connection>.fromOpaque(pointer).takeUnretainedValue())
}

private func span(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(start: bytes, count: count)
}

extension HTTP2Frame {
    fileprivate init(_ head: nghttp2_frame_hd) {
        self.init(length: head.length, type: head.type, flags: head.flags, stream: Int(head.stream_id))
    }
}

/// A head that is not the first of its stream: trailers, or an answer behind an interim one, which its owner tells apart.
private func isFirst(_ frame: UnsafePointer<nghttp2_frame>) -> Bool {
    let category = unsafe frame.pointee.headers.cat
    return category == NGHTTP2_HCAT_REQUEST || category == NGHTTP2_HCAT_RESPONSE
}

@_cdecl("cnghttp2_head_began")
func headBegan(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    if let frame = unsafe frame {
        let stream = Int(unsafe frame.pointee.hd.stream_id)
        let isFirst = unsafe isFirst(frame)
        unsafe connection(pointer).lend { $0.headBegan(stream, isFirst: isFirst) }
    }
    return 0
}

@_cdecl("cnghttp2_field")
func fieldReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?,
    _ nameCount: Int, _ value: UnsafePointer<UInt8>?, _ count: Int, _ flags: UInt8,
    _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame = unsafe frame else { return 0 }
    let stream = Int(unsafe frame.pointee.hd.stream_id)
    return unsafe connection(pointer).lend { connection in
        let isWanted = connection.field(stream, unsafe span(name, nameCount).bytes, unsafe span(value, count).bytes)
        if isWanted { return 0 }
        // Of a connection that is at its end nothing more is decoded.
        return connection.isEnding
            ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
    }
}

@_cdecl("cnghttp2_head_refused")
func headRefused(_ pointer: UnsafeMutableRawPointer?) {
    unsafe connection(pointer).lend { $0.headRefused() }
}

@_cdecl("cnghttp2_frame_received")
func frameReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame = unsafe frame else { return 0 }
    let head = HTTP2Frame(unsafe frame.pointee.hd)
    switch head.type {
    case HTTP2Frame.headers:
        let isFirst = unsafe isFirst(frame)
        unsafe connection(pointer).lend {
            $0.headEnded(head.stream, isFirst: isFirst, endsStream: head.endsStream)
        }
    case HTTP2Frame.data:
        // What pads it, and the byte that says how much.
        let padding = Int(unsafe frame.pointee.data.padlen)
        unsafe connection(pointer).lend {
            $0.dataFrame(head, padding: padding)
            if head.endsStream { $0.dataEnded(head.stream) }
        }
    case HTTP2Frame.goAway:
        let last = Int(unsafe frame.pointee.goaway.last_stream_id)
        unsafe connection(pointer).lend { $0.goingAway(lastStream: last) }
    default: break
    }
    return 0
}

@_cdecl("cnghttp2_data")
func dataReceived(
    _ session: OpaquePointer?, _ flags: UInt8, _ stream: Int32, _ data: UnsafePointer<UInt8>?, _ count: Int,
    _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe connection(pointer).lend { $0.data(Int(stream), unsafe span(data, count).bytes) }
    return 0
}

@_cdecl("cnghttp2_stream_closed")
func streamClosed(
    _ session: OpaquePointer?, _ stream: Int32, _ error: UInt32, _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe connection(pointer).lend { $0.streamClosed(Int(stream), error) }
    return 0
}

@_cdecl("cnghttp2_frame_sent")
func frameSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    if let frame = unsafe frame {
        let head = HTTP2Frame(unsafe frame.pointee.hd)
        let error = head.type == HTTP2Frame.goAway ? unsafe frame.pointee.goaway.error_code : 0
        unsafe connection(pointer).lend { connection in
            connection.sent(head)
            if error != HTTP2Error.noError.rawValue { connection.brokenOff() }
        }
    }
    return 0
}

@_cdecl("cnghttp2_frame_not_sent")
func frameNotSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ error: Int32,
    _ pointer: UnsafeMutableRawPointer?
) -> Int32 {
    if let frame = unsafe frame {
        let head = HTTP2Frame(unsafe frame.pointee.hd)
        // A request's stream is closed by the session.
        let isRequest = unsafe frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
        guard head.type == HTTP2Frame.headers, !isRequest else { return 0 }
        unsafe connection(pointer).lend { connection in
            if connection.session.hasStream(head.stream) { connection.reset(head.stream, .internalError) }
        }
    }
    return 0
}

@_cdecl("cnghttp2_body_next")
func bodyNext(
    _ pointer: UnsafeMutableRawPointer?, _ stream: Int32, _ body: UnsafeMutableRawPointer?, _ limit: Int,
    _ flags: UnsafeMutablePointer<UInt32>?
) -> Int {
    guard let body = unsafe body, let flags = unsafe flags else { return 0 }
    let lent = Uncounted(unsafe Unmanaged<HTTP2Body>.fromOpaque(body).takeUnretainedValue())
    return lent.lend { body in
        guard let size = body.next(atMost: limit) else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
        unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if body.isLast(size) {
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if !body.trailers.isEmpty {
                unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                // Without them the stream would never end: the session resets it.
                let isTaken = unsafe connection(pointer).lend { $0.submitTrailers(Int(stream), body.trailers) }
                guard isTaken else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
            }
        }
        return size
    }
}

@_cdecl("cnghttp2_body_write")
func bodyWrite(
    _ pointer: UnsafeMutableRawPointer?, _ stream: Int32, _ body: UnsafeMutableRawPointer?,
    _ head: UnsafePointer<UInt8>?, _ size: Int
) -> Int32 {
    guard let body = unsafe body else { return 0 }
    let lent = Uncounted(unsafe Unmanaged<HTTP2Body>.fromOpaque(body).takeUnretainedValue())
    return unsafe connection(pointer).lend { connection in
        guard connection.hasRoomToSend else { return NGHTTP2_ERR_WOULDBLOCK.rawValue }
        connection.worker.sendBuffer.append(unsafe span(head, 9).bytes)
        connection.waiting -= size
        if lent.lend({ $0.take(size) { connection.worker.sendBuffer.append($0) } }) {
            connection.bodyDrained(Int(stream))
        }
        return 0
    }
}
