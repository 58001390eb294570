#!/usr/bin/env python3
"""The load program tells a whole answer from every other kind: python3 Tests/faults/test_load.py"""

import socket
import tempfile
import threading
import unittest
from pathlib import Path
from types import SimpleNamespace

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


def serve_once(listener, data):
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(data)


class LoadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        build_load()

    def outcome_of(self, data, **settings):
        """The one record of a load of one request."""
        scenario = SimpleNamespace(rate=1, method="GET", query="", body_bytes=0, connections="requests", **settings)
        with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.TemporaryDirectory() as directory:
            server = threading.Thread(target=serve_once, args=(listener, data))
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
