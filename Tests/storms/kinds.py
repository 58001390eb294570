"""The kinds of connections the router accepts, each with a listener of its own, and clients for them that are content
with nothing but the right answer."""

import json
import socket
import ssl
from dataclasses import asdict, dataclass
from functools import cache

import frames
from connection import SILENCE, Connection, Target

HOST = "127.0.0.1"
BODY_BYTES = 100


class Wrong(Exception):
    """What came is not what was due."""


@cache
def context(certificate, http2):
    made = ssl.create_default_context(cafile=certificate)
    made.set_alpn_protocols(["h2"] if http2 else ["http/1.1"])
    return made


@dataclass(frozen=True)
class Kind:
    """`name` is also its listener's."""

    name: str
    port: int
    certificate: str | None = None
    http2: bool = False
    tunnel: bool = False
    patience: float = 10.0

    @property
    def tls(self):
        return self.certificate is not None

    @property
    def target(self):
        return Target(HOST, self.port, self.tls, patience=self.patience)

    def dial(self):
        """A TCP connection."""
        connected = socket.create_connection((HOST, self.port), timeout=self.patience)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    def open(self):
        """A connection on which a request can be made: with TLS, where the kind has it."""
        connected = self.dial()
        if not self.tls:
            return connected
        try:
            return context(self.certificate, self.http2).wrap_socket(connected, server_hostname=HOST)
        except OSError:
            connected.close()
            raise

    def hello(self):
        """What a TLS client says first."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            context(self.certificate, self.http2).wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
        except ssl.SSLWantReadError:
            pass
        return outgoing.read()

    def visit(self):
        """A client with a connection of its own."""
        return HTTP2Client(self) if self.http2 else HTTP1Client(self)

    def encoded(self):
        return json.dumps(asdict(self))


class HTTP1Client:
    def __init__(self, kind):
        self.socket = kind.open()
        self.buffer = b""

    def receive(self):
        part = self.socket.recv(65536)
        if not part:
            raise Wrong(f"the connection ended after {self.buffer[:80]!r}")
        self.buffer += part

    def ask(self, path, method="GET", fields=""):
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n".encode())

    def say(self, octets, ends=False):
        """Part of a request's body."""
        self.socket.sendall(octets)

    def answer(self):
        """The whole of the next answer, which must be a 200 whose length is told. Returns its body."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self.receive()
        head = self.buffer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise Wrong(head.decode("latin-1"))
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.buffer) < end + 4 + length:
            self.receive()
        body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        return body

    def get(self, path="/"):
        self.ask(path)
        return self.answer()

    def take(self):
        """Some of an answer, whose end is far."""
        while len(self.buffer) < 65536:
            self.receive()
        self.buffer = b""

    def rest(self):
        """All that comes until the server ends the connection."""
        said = self.buffer
        while part := self.socket.recv(65536):
            said += part
        return said

    def close(self):
        self.socket.close()


class HTTP2Client:
    def __init__(self, kind):
        self.connection = Connection(Dialled(kind))
        self.stream = -1
        if not self.connection.handshake():
            self.close()
            raise Wrong("no settings came")

    @property
    def socket(self):
        return self.connection.socket

    def ask(self, path, method="GET", fields="", ends=True):
        self.stream += 2
        more = [tuple(line.lower().split(": ")) for line in fields.split("\r\n") if line]
        block = self.connection.target.request(method, path, more)
        self.connection.send(frames.headers(self.stream, block, end=method == "GET"))

    def say(self, octets, ends=False):
        self.connection.send(frames.data(self.stream, octets, end=ends))

    def answer(self):
        body, status = b"", None
        while True:
            got = self.connection.receive()
            self.check(got)
            if got.stream != self.stream or got.kind not in (frames.HEADERS, frames.DATA):
                continue
            if got.kind == frames.HEADERS:
                status = status or dict(self.connection.decoder.decode(got.payload))[":status"]
            else:
                body += got.payload
            if got.ends_stream:
                break
        if status != "200":
            raise Wrong(f"status {status}")
        return body

    def get(self, path="/"):
        self.ask(path)
        return self.answer()

    def take(self):
        """Some of an answer, whose end is far."""
        for _ in range(4):
            self.check(self.connection.receive())

    @staticmethod
    def check(got):
        if got == SILENCE:
            raise TimeoutError("no frame came")
        if isinstance(got, str) or got.kind in (frames.GOAWAY, frames.RST_STREAM):
            raise Wrong(str(got))

    def close(self):
        self.connection.socket.close()


class Dialled:
    """A kind as `Connection` wants its target."""

    def __init__(self, kind):
        self.dial = kind.open
        self.patience = kind.patience
        self.request = kind.target.request
