#!/usr/bin/env python3
"""One connection that always has more to do: who floods a proxy, and the endpoint that takes or gives without end.

    flood.py origin PORT              takes any body (/sink), answers in 1-byte chunks (/chunks) or without end (/stream)
    flood.py KIND PORT [SECONDS]      floods the proxy at PORT: see KINDS
"""

import contextlib
import os
import socket
import ssl
import sys
import threading
import time

CHUNKS = b"1\r\na\r\n" * 40_000
BULK = b"a" * 262_144


def pipelined(path):
    return b"", f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode() * 4_000


# What is said first, and then again and again (nothing: the answer floods).
KINDS = {
    "respond": pipelined("/own"),
    "redirect": pipelined("/moved"),
    "no route": pipelined("/nowhere"),
    "body in 1-byte chunks": (b"POST /sink HTTP/1.1\r\nHost: bench\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS),
    "upload": (b"POST /sink HTTP/1.1\r\nHost: bench\r\nContent-Length: 900000000000\r\n\r\n", BULK),
    "answer in 1-byte chunks": (b"GET /chunks HTTP/1.1\r\nHost: bench\r\n\r\n", b""),
    "download": (b"GET /stream HTTP/1.1\r\nHost: bench\r\n\r\n", b""),
    "after a refusal": (b"this is no request\r\n\r\n", BULK),
}


def drain(connection):
    with contextlib.suppress(OSError):
        while connection.recv(262_144):
            pass


def flood(kind, port, seconds, encrypted):
    first, again = KINDS[kind]
    end = time.monotonic() + seconds
    context = ssl._create_unverified_context() if encrypted else None
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as plain:
            connection = context.wrap_socket(plain) if context else plain
            connection.settimeout(1)
            connection.sendall(first)
            reader = threading.Thread(target=drain, args=(connection,), daemon=True)
            reader.start()
            while again and time.monotonic() < end:
                connection.sendall(again)
            reader.join(max(0, end - time.monotonic()))
        time.sleep(0.01)


def serve(connection):
    with contextlib.suppress(OSError), connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536) or b"\r\n\r\n"
        path = head.split(b" ")[1] if b" " in head else b"/"
        if path == b"/sink":
            return drain(connection)
        if path not in (b"/chunks", b"/stream"):
            return connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        chunked = path == b"/chunks"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n" if chunked else b"") + b"\r\n")
        while True:
            connection.sendall(CHUNKS if chunked else BULK)


def origin(port):
    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    if sys.argv[1] == "origin":
        origin(int(sys.argv[2]))
    else:
        # Load and origin come first on their core: the flood has what they leave.
        os.nice(19)
        flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), encrypted="--tls" in sys.argv)
