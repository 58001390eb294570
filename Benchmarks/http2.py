"""What HTTP/2 costs: a request that goes on by HTTP/1.1, a gRPC call that goes on by HTTP/2, an idle connection."""

import sys
import time
from pathlib import Path

from bench import cpu_table, markdown, say
from contenders import Envoy, HAProxy, Nginx, Origin, Spillway, make_certificate, variants
from idle import bench_idle
from measure import REQUEST_FIELDS, Failed, requests_by_h2load

# The client of the protocol's own tests.
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "Tests/http2"))

import frames
import field_coding
from connection import ENDS, SILENCE, Connection, Target

# Spillway's CPU time, at most this many times the other's.
REQUEST_MARKS = {"haproxy": 0.95, "nginx": 0.95, "envoy": 0.40}
CALL_MARKS = {"envoy": 0.50}
IDLE_MARK_KIB = 24.0

CONNECTIONS, STREAMS = 8, 32
IDLE_CONNECTIONS = 3_000

CALL_FIELDS = ["content-type: application/grpc", "te: trailers", "user-agent: grpc-c/1.62", "grpc-timeout: 10S"]
CALL_MESSAGE = bytes([0, 0, 0, 0, 100]) + b"x" * 100


def bench_http2(bench):
    columns = lambda what: ["connections × streams", "proxy", f"CPU µs per {what}", "user", "system"] + [
        "× HAProxy", "× nginx", "× Envoy"
    ]
    at_once = f"{CONNECTIONS} × {STREAMS}"
    others = ("haproxy", "nginx", "envoy")

    make_certificate(bench.directory)
    rows = []
    for how, kinds in (("plain", KINDS), ("TLS", TLS_KINDS)):
        with bench.everyone(kinds) as (origin, servers):
            say(f"HTTP/2 in, HTTP/1.1 out, {how}, {at_once}")
            load = lambda server, seconds: requests_by_h2load(
                server.port, CONNECTIONS, STREAMS, seconds, bench.load_core, scheme=server.scheme
            )
            found = bench.compare(f"http2/requests/{how}", servers, origin, load, CONNECTIONS * STREAMS)
            rows += cpu_table(bench, found, f"{at_once}, {how}", others=others)
            if how == "plain":
                bench.mark_ratios(found, "CPU per HTTP/2 request", REQUEST_MARKS)
    markdown("HTTP/2 in, HTTP/1.1 out (GET, five fields, 100-byte answer)", columns("request"), rows)

    message = bench.directory / "message"
    message.write_bytes(CALL_MESSAGE)
    with bench.everyone(CALL_KINDS, CallOrigin) as (origin, servers):
        say(f"gRPC calls, {at_once}")
        load = lambda server, seconds: requests_by_h2load(
            server.port, CONNECTIONS, STREAMS, seconds, bench.load_core, CALL_FIELDS, message
        )
        found = bench.compare("http2/calls", servers, origin, load, CONNECTIONS * STREAMS)
        rows = cpu_table(bench, found, at_once, others=others)
        note = "nginx takes a connection of its own to the server for each call under way; the others share some."
        markdown("gRPC: unary calls, HTTP/2 in and out (100 bytes there and back)", columns("call"), rows, [note])
        bench.mark_ratios(found, "CPU per gRPC call", CALL_MARKS)

    title = f"HTTP/2: {IDLE_CONNECTIONS:,} idle connections"
    each = bench_idle(bench, "http2/memory", KINDS, IdleHTTP2Connections, 200, IDLE_CONNECTIONS, title)
    if each is not None:
        bench.mark("KiB per idle HTTP/2 connection", each, IDLE_MARK_KIB)


def ask(connection, method, fields, body=b""):
    """The first request of a connection. Returns the answer's fields, trailers included."""
    block = field_coding.block([(":method", method), (":scheme", "http"), (":path", "/")])
    for name, value in [(":authority", "bench.test")] + [field.split(": ", 1) for field in fields]:
        # Into the server's table of fields, as browsers do.
        block += field_coding.literal(name.lower(), value, field_coding.WITH_INDEXING, coded=True)
    connection.send(frames.headers(1, block, end=not body), frames.data(1, body, end=True) if body else b"")
    answered = []
    while True:
        got = connection.receive()
        if got in ENDS or got == SILENCE:
            raise Failed(f"a request was answered with {got}")
        if got.kind == frames.HEADERS:
            answered += connection.decoder.decode(got.payload)
        elif got.kind in (frames.RST_STREAM, frames.GOAWAY):
            raise Failed(f"a request was answered with {got}")
        if got.stream == 1 and got.ends_stream:
            return answered


def connect(port, encrypted=False):
    connection = Connection(Target("127.0.0.1", port, encrypted))
    if not connection.handshake():
        raise Failed("settings are not exchanged")
    return connection


class IdleHTTP2Connections:
    """Connections that have exchanged their settings and had one request each."""

    def __init__(self, port):
        self.port = port
        self.connections = []

    def open(self, number):
        for _ in range(number):
            self.connections.append(connection := connect(self.port))
            if (":status", "200") not in ask(connection, "GET", REQUEST_FIELDS):
                raise Failed("a request was not answered with 200")

    def still_open(self):
        """Whether the proxy has kept every one of them, and said nothing."""
        return all(connection.receive(time.monotonic() + 0.0001) == SILENCE for connection in self.connections)

    def close(self):
        for connection in self.connections:
            connection.socket.close()
        self.connections = []


class CallOrigin(Origin):
    program = "call_origin"


class ByHTTP2:
    """A contender whose clients speak HTTP/2 from the beginning."""

    alpn = "h2"
    expected = (":status", "200")

    def request(self, connection):
        return ask(connection, "GET", REQUEST_FIELDS)

    def serves(self):
        try:
            with connect(self.port, self.is_encrypted) as connection:
                return self.expected in self.request(connection)
        except (OSError, Failed):
            return False


class Calls(ByHTTP2):
    """A contender that passes gRPC calls on to a server that speaks HTTP/2. It serves when the call's status arrives."""

    expected = ("grpc-status", "0")

    def request(self, connection):
        return ask(connection, "POST", CALL_FIELDS, CALL_MESSAGE)


class CallSpillway(Spillway):
    def table(self):
        table = super().table()
        table["services"]["s"]["protocol"] = "http2"
        return table


class CallHAProxy(HAProxy):
    server = "proto h2"


class CallNginx(Nginx):
    location = "grpc_pass grpc://origin;"


class CallEnvoy(Envoy):
    def cluster(self, endpoint):
        kind = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        options = {"@type": f"type.googleapis.com/{kind}", "explicit_http_config": {"http2_protocol_options": {}}}
        return super().cluster(endpoint) | {"typed_extension_protocol_options": {kind: options}}


KINDS = variants({"spillway": Spillway, "haproxy": HAProxy, "nginx": Nginx, "envoy": Envoy}, ByHTTP2)
TLS_KINDS = variants({"spillway": Spillway, "haproxy": HAProxy, "nginx": Nginx}, ByHTTP2, scheme="https")
CALL_KINDS = variants({"spillway": CallSpillway, "haproxy": CallHAProxy, "nginx": CallNginx, "envoy": CallEnvoy}, Calls)
