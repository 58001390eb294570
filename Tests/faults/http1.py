"""HTTP/1.1 as a region's endpoints speak it: a request at a time, answered in any form."""

import base64
import hashlib
import sys
from urllib.parse import parse_qsl

from calls import PREFACE, CallConnection
from connections import Connection

PIECES = 4
REASONS = {101: "Switching Protocols", 200: "OK", 500: "Internal Server Error", 503: "Service Unavailable"}


class Request:
    is_call = False

    def __init__(self, method, target, fields):
        self.method = method
        path, _, query = target.partition("?")
        self.is_probe = path == "/healthz"
        self.query = dict(parse_qsl(query))
        self.id = fields.get("x-request-id", "-")
        upgrades = fields.get("upgrade", "").lower() == "websocket"
        self.web_socket_key = fields.get("sec-websocket-key") if upgrades else None
        self.closing = fields.get("connection", "").lower() == "close"

    @property
    def is_chunked(self):
        framing = self.query.get("framing", "length")
        return framing == "chunked" or (framing == "mixed" and self.id[-1:] in "13579")


class RequestConnection(Connection):
    """At most one request at a time is being answered."""

    waiting = None

    def advance(self):
        while self.waiting is None and self.socket is not None:
            if self.received[:1] == b"\x16":
                if not self.take_hello():
                    return
                continue
            if self.received[:4] == PREFACE[:4]:
                CallConnection(self.endpoint, self.hand_over(), self.received).advance()
                return
            try:
                request = self.next_request()
            except ValueError as problem:
                print(f"{self.endpoint.name}: unreadable request: {problem}", file=sys.stderr, flush=True)
                return self.close()
            if request is None:
                return
            self.waiting = request
            self.endpoint.take(self, request)

    def take_hello(self):
        size = 5 + int.from_bytes(self.received[3:5], "big")
        if len(self.received) < max(size, 6):
            return False
        self.received = self.received[size:]
        self.endpoint.take_hello(self)
        return True

    def next_request(self):
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        lines = self.received[:head_end].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ")
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        body_start = head_end + 4
        if fields.get("transfer-encoding", "").lower() == "chunked":
            end = self.received.find(b"0\r\n\r\n", body_start)
            if end < 0:
                return None
            body_end = end + 5
        else:
            body_end = body_start + int(fields.get("content-length", "0"))
            if len(self.received) < body_end:
                return None
        self.received = self.received[body_end:]
        return Request(method, target, fields)

    # Answers

    def head(self, status, framing):
        endpoint = self.endpoint
        return (
            f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\nx-region: {endpoint.region.name}\r\n"
            f"x-endpoint: {endpoint.name}\r\ncontent-type: text/plain\r\n{framing}\r\n\r\n"
        ).encode()

    def answer_hello(self):
        self.send(b"\x16")

    def answer_status(self, request, status):
        text = f"{status}\n".encode()
        self.send(self.head(status, f"content-length: {len(text)}") + text)
        self.answered()

    def answer_body(self, request, body):
        if request.web_socket_key:
            # The body is a message, and nothing else is said until the client leaves.
            return self.send(self.upgrade(request.web_socket_key) + bytes([0x81, len(body)]) + body)
        chunked = request.is_chunked
        head = self.head(200, "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}")
        over = float(request.query.get("over", "0"))
        pieces = 1 if over == 0 else PIECES
        step = -(-len(body) // pieces)

        def send_piece(number):
            part = body[number * step : (number + 1) * step]
            last = number == pieces - 1
            data = head if number == 0 else b""
            data += chunk(part) + (b"0\r\n\r\n" if last else b"") if chunked else part
            self.send(data)
            if self.socket is None:
                return
            if last:
                self.answered()
            else:
                self.endpoint.poller.after(over / (pieces - 1), lambda: send_piece(number + 1))

        send_piece(0)

    def upgrade(self, key):
        """RFC 6455, 4.2.2."""
        proof = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        fields = f"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {proof}"
        return self.head(101, fields)

    def answer_half(self, request, body):
        half = body[: len(body) // 2]
        if request.is_chunked:
            self.send(self.head(200, "transfer-encoding: chunked") + chunk(half))
        else:
            self.send(self.head(200, f"content-length: {len(body)}") + half)
        self.close()

    def answer_garbage(self):
        self.send(b"\x15\x03\x01\x00\x02\x02\x28 this is not HTTP\r\n\r\n")
        self.close()

    def answered(self):
        request, self.waiting = self.waiting, None
        if request.closing:
            self.close()
        self.advance()


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"
