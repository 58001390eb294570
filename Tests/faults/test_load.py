#!/usr/bin/env python3
"""The load program tells a whole answer from every other kind: python3 Tests/faults/test_load.py"""

import contextlib
import socket
import ssl
import struct
import tempfile
import threading
import unittest
from pathlib import Path
from types import SimpleNamespace

import calls  # noqa: F401  (where frames and field_coding are)
import frames
import field_coding
from certificate import make_certificate
from outcome import read_records
from world import Load, build_load

BODY = b"q0 r1 svc0-0 ....end\n"
LENGTH = b"content-length: %d\r\n" % len(BODY)


def answer(fields, body, status=b"200 OK"):
    return b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n" + body


def chunked(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


CHUNKED = b"transfer-encoding: chunked\r\n"

# What the server sends before it closes the connection, and what the load must call it.
CASES = {
    "whole by length": (answer(LENGTH, BODY), "ok"),
    "whole by chunks": (answer(CHUNKED, chunked(BODY[:7], BODY[7:]) + b"0\r\n\r\n"), "ok"),
    "whole by chunks with trailers": (answer(CHUNKED, chunked(BODY) + b"0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"), "ok"),
    "whole by close": (answer(b"", BODY), "ok"),
    "after an interim answer": (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + answer(LENGTH, BODY), "ok"),
    "short of its length": (answer(LENGTH, BODY[:-1]), "aborted"),
    "without the last chunk": (answer(CHUNKED, chunked(BODY)), "aborted"),
    "within a chunk": (answer(CHUNKED, chunked(BODY)[:-6]), "aborted"),
    "within trailers": (answer(CHUNKED, chunked(BODY) + b"0\r\n"), "aborted"),
    "within the head": (b"HTTP/1.1 200 OK\r\nconte", "aborted"),
    "after an interim answer only": (b"HTTP/1.1 100 Continue\r\n\r\n", "closed"),
    "nothing": (b"", "closed"),
    "truncated, then framed as whole by length": (answer(b"content-length: 9\r\n", BODY[:9]), "corrupt"),
    "truncated, then framed as whole by chunks": (answer(CHUNKED, chunked(BODY[:9]) + b"0\r\n\r\n"), "corrupt"),
    "truncated, framed by close": (answer(b"", BODY[:9]), "corrupt"),
    "empty": (answer(b"content-length: 0\r\n", b""), "corrupt"),
    "another request's": (answer(LENGTH, BODY.replace(b"q0", b"q1")), "corrupt"),
    "an error": (answer(b"content-length: 0\r\n", b"", b"503 Service Unavailable"), "status"),
    "not HTTP": (b"SSH-2.0-x\r\n\r\n", "malformed"),
    "a chunk size that is none": (answer(CHUNKED, b"zz\r\n"), "malformed"),
}

ACCEPTED = b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
SWITCHES = b"101 Switching Protocols"


def text(body, length=None):
    return bytes([0x81, len(body) if length is None else length]) + body


WEB_SOCKETS = {
    "a message": (answer(ACCEPTED, text(BODY), SWITCHES), "ok"),
    "an interim answer before it": (answer(b"", answer(ACCEPTED, text(BODY), SWITCHES), b"103 Early Hints"), "ok"),
    "short of its length": (answer(ACCEPTED, text(BODY, 99), SWITCHES), "aborted"),
    "no message": (answer(ACCEPTED, b"", SWITCHES), "aborted"),
    "another one's": (answer(ACCEPTED, text(BODY.replace(b"q0", b"q1")), SWITCHES), "corrupt"),
    "no WebSocket": (answer(ACCEPTED.replace(b"s3p", b"xxx"), text(BODY), SWITCHES), "malformed"),
    "another frame": (answer(ACCEPTED, b"\x88\x00", SWITCHES), "malformed"),
    "no upgrade": (answer(LENGTH, BODY), "status"),
    "an error": (answer(b"content-length: 0\r\n", b"", b"503 Service Unavailable"), "status"),
}


def head(*fields, status="200", end=False):
    return frames.headers(1, field_coding.block([(":status", status), *fields]), end=end)


def trailers(*fields):
    return frames.headers(1, field_coding.block(fields))


def message(body, length=None):
    return frames.data(1, b"\0" + struct.pack(">I", len(body) if length is None else length) + body)


CALL = ("content-type", "application/grpc")
OK = ("grpc-status", "0")

# What comes on an HTTP/2 connection's first stream before the connection's end.
STREAMS = {
    "whole": (head() + frames.data(1, BODY, end=True), "ok"),
    "whole in parts": (head() + frames.data(1, BODY[:7]) + frames.data(1, BODY[7:]) + trailers(("x-a", "1")), "ok"),
    "whole, the request not wanted whole": (head() + frames.data(1, BODY, end=True) + frames.rst_stream(1, 0), "ok"),
    "short of its length": (head(("content-length", "99")) + frames.data(1, BODY, end=True), "aborted"),
    "without an end": (head() + frames.data(1, BODY), "aborted"),
    "reset within the body": (head() + frames.data(1, BODY) + frames.rst_stream(1), "aborted"),
    "reset after an interim answer": (head(status="103") + frames.rst_stream(1), "closed"),
    "reset": (frames.rst_stream(1, frames.REFUSED_STREAM), "closed"),
    "left out": (frames.goaway(0), "closed"),
    "nothing": (b"", "closed"),
    "truncated, then framed as whole": (head() + frames.data(1, BODY[:9], end=True), "corrupt"),
    "another request's": (head() + frames.data(1, BODY.replace(b"q0", b"q1"), end=True), "corrupt"),
    "an error": (head(status="503", end=True), "status"),
}
CALLS = {
    "whole": (head(CALL) + message(BODY) + trailers(OK), "ok"),
    "whole in parts": (head(CALL) + message(BODY[:3], len(BODY)) + frames.data(1, BODY[3:]) + trailers(OK), "ok"),
    "UNAVAILABLE at once": (head(CALL, ("grpc-status", "14"), end=True), "status"),
    "UNAVAILABLE after its message": (head(CALL) + message(BODY) + trailers(("grpc-status", "14")), "status"),
    "an answer that is no call's": (head(status="503", end=True), "status"),
    "without a status": (head(CALL) + message(BODY) + trailers(("x-a", "1")), "malformed"),
    "a message short of its length": (head(CALL) + message(BODY, 99) + trailers(OK), "malformed"),
    "no message": (head(CALL) + trailers(OK), "malformed"),
    "without trailers": (head(CALL) + message(BODY), "aborted"),
    "another call's": (head(CALL) + message(BODY.replace(b"q0", b"q1")) + trailers(OK), "corrupt"),
}


def serve_once(listener, data, context=None):
    connection, _ = listener.accept()
    with context.wrap_socket(connection, server_side=True) if context else connection as connection:
        connection.recv(65536)
        connection.sendall(data)
        # Until it has been read: an end with something unread would be a reset.
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass


class LoadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        build_load()

    def outcome_of(self, data, kind="requests", method="GET"):
        """The one record of a load of one request."""
        scenario = SimpleNamespace(rate=1, method=method, query="", body_bytes=0, connections=kind)
        with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as directory:
            context = None
            if kind in ("https", "h2s"):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.set_alpn_protocols(["h2" if kind == "h2s" else "http/1.1"])
                key, certificate = make_certificate(Path(directory))
                context.load_cert_chain(certificate, key)
            server = threading.Thread(target=serve_once, args=(listener, data, context))
            server.start()
            load = Load(Path(directory), listener.getsockname()[1], 1, scenario)
            load.start()
            load.wait()
            server.join()
            records, _ = read_records(load.records_file)
        self.assertEqual(len(records), 1)
        return records[0]

    def test_every_answer_has_its_outcome(self):
        for name, (data, expected) in CASES.items():
            with self.subTest(name):
                self.assertEqual(self.outcome_of(data).outcome, expected)

    def test_every_answer_has_its_outcome_over_tls(self):
        for name in ("whole by length", "whole by close", "short of its length", "nothing", "another request's"):
            data, expected = CASES[name]
            with self.subTest(name):
                self.assertEqual(self.outcome_of(data, "https").outcome, expected)

    def test_every_web_socket_has_its_outcome(self):
        for name, (data, expected) in WEB_SOCKETS.items():
            with self.subTest(name):
                self.assertEqual(self.outcome_of(data, "websocket").outcome, expected)

    def test_every_stream_has_its_outcome(self):
        for name, (data, expected) in STREAMS.items():
            for kind, method in [("h2", "GET"), ("h2", "POST"), ("h2s", "GET")]:
                with self.subTest(name, kind=kind, method=method):
                    self.assertEqual(self.outcome_of(frames.settings() + data, kind, method).outcome, expected)

    def test_every_call_has_its_outcome(self):
        for name, (data, expected) in CALLS.items():
            with self.subTest(name):
                self.assertEqual(self.outcome_of(frames.settings() + data, "grpc").outcome, expected)

    def test_a_call_that_fails_has_its_status_and_error(self):
        failed = head(CALL, ("grpc-status", "4"), ("x-spillway-error", "request-timeout"), end=True)
        record = self.outcome_of(frames.settings() + failed, "grpc")
        self.assertEqual((record.status, record.error), (4, "request-timeout"))

    def test_region_endpoint_and_error_are_read(self):
        fields = b"X-Region: r2\r\nx-endpoint:svc0-1\r\nx-spillway-error: shed\r\ncontent-length: 0\r\n"
        record = self.outcome_of(answer(fields, b"", b"503 Service Unavailable"))
        self.assertEqual((record.status, record.region, record.endpoint, record.error), (503, "r2", "svc0-1", "shed"))

    def test_a_refused_connection_is_one(self):
        with socket.socket() as unused, tempfile.TemporaryDirectory() as directory:
            unused.bind(("127.0.0.1", 0))
            scenario = SimpleNamespace(rate=2, method="GET", query="", body_bytes=0, connections="requests")
            load = Load(Path(directory), unused.getsockname()[1], 1, scenario)
            load.start()
            load.wait()
            records, _ = read_records(load.records_file)
        self.assertEqual([record.outcome for record in records], ["connect", "connect"])


if __name__ == "__main__":
    unittest.main()
