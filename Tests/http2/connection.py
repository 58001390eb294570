"""One HTTP/2 connection as a client that may say anything sees it: bytes out; frames in, its end among them."""

import socket
import ssl
import struct
import time
from dataclasses import dataclass

import frames
import field_coding


@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def ends_stream(self):
        return self.kind in (frames.DATA, frames.HEADERS) and self.flags & frames.END_STREAM != 0

    @property
    def acknowledges(self):
        return self.kind in (frames.SETTINGS, frames.PING) and self.flags & frames.ACK != 0

    @property
    def code(self):
        """The error code of RST_STREAM and GOAWAY."""
        start = {frames.RST_STREAM: 0, frames.GOAWAY: 4}[self.kind]
        return int.from_bytes(self.payload[start : start + 4], "big")

    def __str__(self):
        name = frames.TYPE_NAMES[self.kind] if self.kind < len(frames.TYPE_NAMES) else f"frame of type {self.kind:#x}"
        told = f"{name} on {self.stream}, {len(self.payload)} octets, flags {self.flags:#x}"
        coded = self.kind in (frames.RST_STREAM, frames.GOAWAY)
        return f"{name} {frames.code_name(self.code)} on {self.stream}" if coded else told


# What is received when nothing comes any more, or nothing came in time.
CLOSED, RESET, SILENCE = "the connection's end", "the connection's reset", "nothing"
ENDS = (CLOSED, RESET)


@dataclass
class Target:
    """Where the server is, and how it is spoken to."""

    host: str
    port: int
    tls: bool = False
    path: str = "/"
    patience: float = 2.0

    @property
    def scheme(self):
        return "https" if self.tls else "http"

    def request(self, method="GET", path=None, more=(), without=()):
        """The header block of a request; `more` fields after it, `without` some of its pseudo-header fields."""
        fields = [
            (":method", method),
            (":scheme", self.scheme),
            (":path", self.path if path is None else path),
            (":authority", f"{self.host}:{self.port}"),
        ]
        return field_coding.block([field for field in fields if field[0] not in without] + list(more))

    def dial(self):
        connected = socket.create_connection((self.host, self.port), timeout=self.patience)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.tls:
            return connected
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        connected = context.wrap_socket(connected, server_hostname="conformance.test")
        if connected.selected_alpn_protocol() != "h2":
            connected.close()
            raise OSError("h2 was not negotiated")
        return connected


class Connection:
    """Closed by its `with`."""

    def __init__(self, target):
        self.target = target
        self.socket = target.dial()
        self.buffer = b""
        self.received = []
        self.settings = {}
        self.decoder = field_coding.Decoder()
        self.unreturned = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *parts):
        """Whoever closes before everything is sent has said enough: what it said is read afterwards."""
        try:
            self.socket.settimeout(self.target.patience)
            self.socket.sendall(b"".join(parts))
        except OSError:
            pass

    def handshake(self, *settings):
        """Preface and settings both ways, ours acknowledged. Returns whether that came to pass."""
        self.send(frames.PREFACE, frames.settings(*settings or [(frames.INITIAL_WINDOW, frames.INITIAL_WINDOW_SIZE)]))
        ours = theirs = False
        while not (ours and theirs):
            got = self.receive()
            if got in ENDS or got == SILENCE:
                return False
            if got.kind == frames.SETTINGS and got.acknowledges:
                ours = True
            elif got.kind == frames.SETTINGS:
                theirs = True
        return True

    def receive(self, until=None):
        """The next frame, or how the connection ended, or SILENCE; `until` is a time.monotonic()."""
        until = until or time.monotonic() + self.target.patience
        while (whole := self.take_frame()) is None:
            left = until - time.monotonic()
            if left <= 0:
                return SILENCE
            self.socket.settimeout(left)
            try:
                part = self.socket.recv(65536)
            except TimeoutError:
                return SILENCE
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                return RESET
            if not part:
                return CLOSED
            self.buffer += part
        self.received.append(whole)
        if whole.kind == frames.SETTINGS and not whole.acknowledges:
            for at in range(0, len(whole.payload), 6):
                setting, value = struct.unpack_from(">HI", whole.payload, at)
                self.settings[setting] = value
            self.send(frames.SETTINGS_ACK)
        if whole.kind == frames.DATA:
            self.return_window(whole)
        return whole

    def take_frame(self):
        if len(self.buffer) < 9:
            return None
        length = int.from_bytes(self.buffer[:3], "big")
        if length > frames.SMALLEST_FRAME_LIMIT:
            # Not HTTP/2, as when HTTP/1.1 answers: only the connection's end is of interest.
            self.buffer = b""
            return None
        if len(self.buffer) < 9 + length:
            return None
        kind, flags = self.buffer[3:5]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFF_FFFF
        payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
        return Frame(kind, flags, stream, payload)

    def return_window(self, got):
        """Only when much of it is used up: small windows are the tests' own affair."""
        self.unreturned += len(got.payload)
        if self.unreturned > frames.INITIAL_WINDOW_SIZE // 2:
            self.send(frames.window_update(0, self.unreturned), frames.window_update(got.stream, self.unreturned))
            self.unreturned = 0
