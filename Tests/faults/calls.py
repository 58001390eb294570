"""Unary gRPC calls as a region's endpoints answer them: over HTTP/2 with prior knowledge, many at once on a connection."""

import struct
import sys
from pathlib import Path
from urllib.parse import parse_qsl

from connections import Connection

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "http2"))

import frames  # noqa: E402
import field_coding  # noqa: E402

PREFACE = frames.PREFACE
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
# A gRPC status for each HTTP status that endpoints answer with: OK, INTERNAL, UNAVAILABLE.
STATUSES = {200: 0, 500: 13, 503: 14}
ROOM = 32_768


class Call:
    """A stream of a connection, and the request on it."""

    is_call = True

    def __init__(self, connection, stream, fields):
        self.connection = connection
        self.stream = stream
        fields = dict(fields)
        self.method = fields[":method"]
        path, _, query = fields[":path"].partition("?")
        self.is_probe = path == HEALTH
        self.query = dict(parse_qsl(query))
        self.id = fields.get("x-request-id", "-")


class CallConnection(Connection):
    def __init__(self, endpoint, connected, received):
        super().__init__(endpoint, connected, received)
        self.decoder = field_coding.Decoder()
        self.calls = {}
        self.greeted = False
        self.unreported = 0
        named = [("x-region", endpoint.region.name), ("x-endpoint", endpoint.name)]
        self.head = [(":status", "200"), ("content-type", "application/grpc"), *named]

    def advance(self):
        if not self.greeted:
            if len(self.received) < len(PREFACE):
                return
            self.greeted = True
            self.received = self.received[len(PREFACE) :]
            self.send(frames.settings((frames.CONCURRENT_STREAMS, 1000)))
        try:
            while self.socket is not None and len(self.received) >= 9:
                size = int.from_bytes(self.received[:3], "big")
                if len(self.received) < 9 + size:
                    return
                kind, flags, stream = struct.unpack(">BBI", self.received[3:9])
                payload, self.received = self.received[9 : 9 + size], self.received[9 + size :]
                self.take_frame(kind, flags, stream, payload)
        except (ValueError, KeyError, field_coding.DecodingError) as problem:
            print(f"{self.endpoint.name}: unreadable frame: {problem!r}", file=sys.stderr, flush=True)
            self.close()

    def take_frame(self, kind, flags, stream, payload):
        if kind == frames.HEADERS:
            # Of a well-known client, whose heads are short.
            if not flags & frames.END_HEADERS or flags & (frames.PADDED | frames.WITH_PRIORITY):
                raise ValueError(f"flags {flags:#x}")
            self.calls[stream] = Call(self, stream, self.decoder.decode(payload))
        elif kind == frames.DATA:
            self.unreported += len(payload)
            if self.unreported > ROOM:
                self.send(frames.window_update(0, self.unreported))
                self.unreported = 0
        elif kind == frames.SETTINGS and not flags & frames.ACK:
            self.send(frames.SETTINGS_ACK)
        elif kind == frames.PING and not flags & frames.ACK:
            self.send(frames.ping(payload, ack=True))
        elif kind == frames.RST_STREAM:
            self.calls.pop(stream, None)
        if kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM and stream in self.calls:
            self.endpoint.take(self, self.calls[stream])

    # Answers; windows are not looked at: they are far larger than what is sent here.

    def answer_status(self, call, status):
        """A status alone, as trailers without a message."""
        if call.is_probe and status == 200:
            return self.answer_body(call, SERVING)
        block = field_coding.block([*self.head, ("grpc-status", str(STATUSES[status]))])
        self.finish(call, frames.headers(call.stream, block))

    def answer_body(self, call, message):
        head = frames.headers(call.stream, field_coding.block(self.head), end=False)
        data = frames.data(call.stream, b"\0" + struct.pack(">I", len(message)) + message)
        self.finish(call, head + data + frames.headers(call.stream, field_coding.block([("grpc-status", "0")])))

    def refuse(self, call):
        """Says that nothing was done for it."""
        self.finish(call, frames.rst_stream(call.stream, frames.REFUSED_STREAM))

    def finish(self, call, octets):
        # Unless it was called off.
        if self.calls.pop(call.stream, None):
            self.send(octets)
