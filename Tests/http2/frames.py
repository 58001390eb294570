"""HTTP/2 frames as bytes (RFC 9113, sections 4.1 and 6), well-formed or not: each is what the caller says."""

import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
UNKNOWN = 0x16
TYPE_NAMES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split()

END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

# Settings (section 6.5.2), and that of RFC 8441.
TABLE_SIZE, ENABLE_PUSH, CONCURRENT_STREAMS, INITIAL_WINDOW, FRAME_SIZE, HEADER_LIST_SIZE = range(1, 7)
ENABLE_CONNECT_PROTOCOL = 8

# Error codes (section 7).
CODE_NAMES = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
]
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(7)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 7, 8, 9

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW_SIZE = 65_535
SMALLEST_FRAME_LIMIT = 16_384
LARGEST_WINDOW = 2**31 - 1


def code_name(code):
    return CODE_NAMES[code] if code < len(CODE_NAMES) else f"code {code:#x}"


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """One frame; `length` replaces the true length of the payload."""
    octets = len(payload) if length is None else length
    return struct.pack(">BHBBI", octets >> 16, octets & 0xFFFF, kind, flags, stream) + payload


def lengths(octets):
    """The lengths of whole frames' payloads."""
    at = 0
    while at < len(octets):
        yield int.from_bytes(octets[at : at + 3], "big")
        at += 9 + int.from_bytes(octets[at : at + 3], "big")


def data(stream, payload=b"test", end=False, padding=None):
    if padding is not None:
        payload = bytes([len(padding)]) + payload + padding
    return frame(DATA, end * END_STREAM | (padding is not None) * PADDED, stream, payload)


def dependency(on=0, weight=255, exclusive=False):
    return struct.pack(">IB", on | exclusive << 31, weight)


def headers(stream, block, end=True, end_headers=True, priority=None, padding=None):
    """`priority` is a `dependency`."""
    flags = end * END_STREAM | end_headers * END_HEADERS
    if priority:
        flags, block = flags | WITH_PRIORITY, priority + block
    if padding is not None:
        flags, block = flags | PADDED, bytes([len(padding)]) + block + padding
    return frame(HEADERS, flags, stream, block)


def priority(stream, on=0, weight=255, exclusive=False):
    return frame(PRIORITY, 0, stream, dependency(on, weight, exclusive))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


SETTINGS_ACK = frame(SETTINGS, ACK)


def push_promise(stream, promised, block):
    return frame(PUSH_PROMISE, END_HEADERS, stream, struct.pack(">I", promised) + block)


def ping(payload=b"\0" * 8, ack=False):
    return frame(PING, ack * ACK, 0, payload)


def goaway(last=0, code=NO_ERROR, debug=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def continuation(stream, block, end_headers=True):
    return frame(CONTINUATION, end_headers * END_HEADERS, stream, block)
