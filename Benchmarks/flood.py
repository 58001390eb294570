#!/usr/bin/env python3
"""One connection that always has more to do: who floods a proxy, and the endpoint that takes or gives without end.

    flood.py origin PORT [--tls CERTIFICATE]   takes any body (/sink), answers in 1-byte chunks (/chunks) or without end
                                               (/stream)
    flood.py origin PORT --http2 [--small]     answers in HTTP/2 without end, in DATA frames of 16 KiB, or of 1 byte
    flood.py KIND PORT SECONDS [--tls]         floods the proxy at PORT in HTTP/1.1: see HTTP1
    flood.py KIND PORT SECONDS [--tls] --http2 the same in HTTP/2: see HTTP2
"""

import contextlib
import os
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

# The frames of the protocol's own tests.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "Tests/http2"))

import frames
import field_coding

CHUNKS = b"1\r\na\r\n" * 40_000
BULK = b"a" * 262_144
WIDE = frames.settings((frames.INITIAL_WINDOW, frames.LARGEST_WINDOW))
WIDER = frames.window_update(0, frames.LARGEST_WINDOW - frames.INITIAL_WINDOW_SIZE)


def pipelined(path):
    return b"", f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode() * 4_000


# What is said first, and then again and again (nothing: the answer floods).
HTTP1 = {
    "respond": pipelined("/own"),
    "redirect": pipelined("/moved"),
    "no route": pipelined("/nowhere"),
    "body in 1-byte chunks": (b"POST /sink HTTP/1.1\r\nHost: bench\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS),
    "upload": (b"POST /sink HTTP/1.1\r\nHost: bench\r\nContent-Length: 900000000000\r\n\r\n", BULK),
    "answer in 1-byte chunks": (b"GET /chunks HTTP/1.1\r\nHost: bench\r\n\r\n", b""),
    "download": (b"GET /stream HTTP/1.1\r\nHost: bench\r\n\r\n", b""),
    "after a refusal": (b"this is no request\r\n\r\n", BULK),
}


def request(method, path, *fields):
    said = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "bench"), *fields]
    return b"".join(field_coding.literal(name, value) for name, value in said)


# The head of each request, the payload of each DATA frame after it (none: the head is all), and how many requests are
# under way at most.
HTTP2 = {
    "respond": (request("GET", "/own"), b"", 100),
    "redirect": (request("GET", "/moved"), b"", 100),
    "no route": (request("GET", "/nowhere"), b"", 100),
    "cookie crumbs": (request("GET", "/own", *[("cookie", "a")] * 90), b"", 100),
    "body in 1-byte frames": (request("POST", "/sink"), b"a", 1),
    "upload": (request("POST", "/sink"), b"a" * 16_384, 1),
    "answer in 1-byte chunks": (request("GET", "/chunks"), b"", 1),
    "download": (request("GET", "/stream"), b"", 1),
}


def drain(connection):
    with contextlib.suppress(OSError):
        while connection.recv(262_144):
            pass


def flood(kind, connection, end):
    first, again = HTTP1[kind]
    connection.sendall(first)
    reader = threading.Thread(target=drain, args=(connection,), daemon=True)
    reader.start()
    while again and time.monotonic() < end:
        connection.sendall(again)
    reader.join(max(0, end - time.monotonic()))


class Windows:
    """What the other side of an HTTP/2 connection lets this one send, and how many of its streams the other has ended; a
    thread of its own reads frames."""

    def __init__(self, connection, received=b""):
        self.connection = connection
        self.changed = threading.Condition()
        self.of_connection, self.initial, self.of_streams = frames.INITIAL_WINDOW_SIZE, frames.INITIAL_WINDOW_SIZE, {}
        self.ended, self.is_closed = 0, False
        self.requests = []
        threading.Thread(target=self.read, args=(received,), daemon=True).start()

    def read(self, buffer):
        with contextlib.suppress(OSError):
            while True:
                at = 0
                while len(buffer) >= at + 9:
                    length = int.from_bytes(buffer[at : at + 3], "big")
                    if len(buffer) < at + 9 + length:
                        break
                    self.take(buffer[at + 3], buffer[at + 4], int.from_bytes(buffer[at + 5 : at + 9], "big"),
                              buffer[at + 9 : at + 9 + length])
                    at += 9 + length
                part = self.connection.recv(262_144)
                if not part:
                    break
                buffer = buffer[at:] + part
        with self.changed:
            self.is_closed = True
            self.changed.notify_all()

    def take(self, kind, flags, stream, payload):
        with self.changed:
            if kind == frames.WINDOW_UPDATE:
                more = int.from_bytes(payload, "big")
                if stream:
                    self.of_streams[stream] = self.of_streams.get(stream, 0) + more
                else:
                    self.of_connection += more
            elif kind == frames.SETTINGS and not flags & frames.ACK:
                for at in range(0, len(payload), 6):
                    if int.from_bytes(payload[at : at + 2], "big") == frames.INITIAL_WINDOW:
                        self.initial = int.from_bytes(payload[at + 2 : at + 6], "big")
            if kind == frames.HEADERS:
                self.requests.append(stream)
            if kind == frames.RST_STREAM or kind in (frames.HEADERS, frames.DATA) and flags & frames.END_STREAM:
                self.ended += 1
            self.changed.notify_all()

    def room(self, stream):
        return min(self.of_connection, self.initial + self.of_streams.get(stream, 0))

    def send(self, stream, payload, limit=262_144):
        """As many frames of `payload` as there is room for now; waits until there is room for one."""
        with self.changed:
            self.changed.wait_for(lambda: self.is_closed or self.room(stream) >= len(payload), 5)
            count = min(self.room(stream), limit // 8) // len(payload)
            if self.is_closed or not count:
                raise OSError("closed, or without room for long")
            self.of_connection -= count * len(payload)
            self.of_streams[stream] = self.of_streams.get(stream, 0) - count * len(payload)
        self.connection.sendall(frames.data(stream, payload) * count)


def flood_http2(kind, connection, end):
    head, payload, at_once = HTTP2[kind]
    connection.sendall(frames.PREFACE + WIDE + WIDER + frames.SETTINGS_ACK)
    windows = Windows(connection)
    stream, begun = 1, 0
    while time.monotonic() < end and not windows.is_closed:
        count = at_once - (begun - windows.ended)
        if count > at_once // 4 or at_once == 1 and count:
            connection.sendall(
                b"".join(frames.headers(stream + 2 * each, head, end=not payload) for each in range(count)))
            begun += count
            stream += 2 * count
        if payload:
            windows.send(stream - 2, payload)
        else:
            with windows.changed:
                windows.changed.wait(0.1)


def serve(connection):
    with contextlib.suppress(OSError), connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536) or b"\r\n\r\n"
        path = head.split(b" ")[1] if b" " in head else b"/"
        if path.startswith(b"/sink"):
            return drain(connection)
        chunked = path.startswith(b"/chunks")
        if not chunked and not path.startswith(b"/stream"):
            return connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        while True:
            connection.sendall(CHUNKS if chunked else BULK)


def serve_http2(connection):
    """One request at a time."""
    with contextlib.suppress(OSError), connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        while len(buffer) < len(frames.PREFACE):
            part = connection.recv(65_536)
            if not part:
                return
            buffer += part
        connection.sendall(frames.settings() + frames.SETTINGS_ACK)
        windows = Windows(connection, buffer[len(frames.PREFACE) :])
        while True:
            with windows.changed:
                windows.changed.wait_for(lambda: windows.requests or windows.is_closed)
                if windows.is_closed:
                    return
                stream = windows.requests.pop(0)
            connection.sendall(frames.headers(stream, field_coding.indexed(8), end=False))
            payload = b"a" * (1 if serve_http2.in_small_frames else 16_384)
            while True:
                windows.send(stream, payload)


def origin(port, service, certificate):
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=serve_accepted, args=(connection, service, context), daemon=True).start()


def serve_accepted(connection, service, context):
    with contextlib.suppress(OSError):
        service(context.wrap_socket(connection, server_side=True) if context else connection)


def main(what, port, *rest):
    by_http2, encrypted = "--http2" in rest, "--tls" in rest
    if what == "origin":
        certificate = rest[rest.index("--tls") + 1] if encrypted else None
        serve_http2.in_small_frames = "--small" in rest
        return origin(int(port), serve_http2 if by_http2 else serve, certificate)
    # Load and origin come first on their core: the flood has what they leave.
    os.nice(19)
    end = time.monotonic() + float(rest[0])
    context = ssl._create_unverified_context() if encrypted else None
    if context:
        context.set_alpn_protocols(["h2" if by_http2 else "http/1.1"])
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), 2) as plain:
            with context.wrap_socket(plain) if context else plain as connection:
                connection.settimeout(1)
                (flood_http2 if by_http2 else flood)(what, connection, end)
        time.sleep(0.01)


if __name__ == "__main__":
    main(*sys.argv[1:])
