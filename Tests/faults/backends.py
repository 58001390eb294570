#!/usr/bin/env python3
"""All endpoints of one region, in one process, and everything that can go wrong with them.

    backends.py CONFIGURATION      a JSON object: {"region": "r1", "seed": 1, "executed": FILE, "host": "127.0.0.1",
                                   "certificate": [KEY FILE, CERTIFICATE FILE] (absent: nothing is encrypted),
                                   "endpoints": [{"service": "svc0", "name": "svc0-0", "port": 12000}, …]}

Answers GET and POST at `host` with `x-region` and `x-endpoint`, and a body that begins with the request's
x-request-id and ends with "end\\n", so that whoever reads it can tell whether it is whole and his own. The query
chooses its form: size=BYTES, after=SECONDS (until it begins), over=SECONDS (streamed in pieces),
framing=length|chunked|mixed (by request). /healthz is for probes.

A request that asks for a WebSocket gets one, and such a body as its first message.

A connection that begins with HTTP/2's preface carries unary gRPC calls, many at once; each is answered with such a
body as its message, and a status in trailers. They are POSTs, and probes are grpc.health.v1.Health/Check.

A connection that begins with a ClientHello is answered by one byte, as if that began a handshake; then come requests in
the clear. What a mode says of requests it says of hellos.

Each POST that was read completely has been executed, whatever becomes of its answer: a line "ID ENDPOINT" is
appended to the file `executed` at that moment, and survives kill -9.

Commands come as JSON lines on standard input, each answered by one line on standard output:

    {"mode": MODE, "service": "svc0", "endpoint": "svc0-0", …}     service and endpoint narrow it; absent: all
    {"counts": true}                                               per endpoint: requests, probes, connections
    {"capacity": N, "over": S, "from": M}                          the region takes N requests a second in all, and
                                                                   gets there from M within S seconds; null: any
    {"busiest": true}                                              the most requests it took within any second

    ok                     answers
    refuse                 nothing listens; connections are reset
    blackhole              connections hang, new ones are not even accepted by the kernel (its backlog is full)
    hang                   accepts and reads, never answers, until the mode changes; then answers what waited
    reset                  resets the connection as soon as a request was read
    errors                 answers `status` (500) to the share `fraction` (1) of requests; calls end with INTERNAL, or
                           with UNAVAILABLE if it is 503, were not executed, and have no message
    refuse_streams         resets each call's stream with REFUSED_STREAM, and does nothing for it
    slow                   answers after `seconds`
    healthz_bad            503 on /healthz, while requests succeed
    healthz_hang           /healthz is read and never answered, while requests succeed
    healthz_only           /healthz is fine, while requests are answered `status` (500)
    truncate               ends the connection within the body: chunked without a last chunk, or short of its length
    garbage                answers bytes that are not HTTP

A region beyond its capacity collapses: requests wait for their turn, longer and longer; after 0.5 s of it they are
answered 503, and each of those costs a fifth of a request.

The end of standard input ends the process, so that it cannot outlive whoever started it.
"""

import json
import os
import random
import socket
import ssl
import sys
import time
from collections import deque

from connections import Poller
from http1 import RequestConnection

BACKLOG = 4096


class Endpoint:
    """One listening address, and its present mode."""

    def __init__(self, region, service, name, port):
        self.region = region
        self.poller = region.poller
        self.service = service
        self.name = name
        self.port = port
        self.mode = {"mode": "ok"}
        self.connections = set()
        self.held = []
        self.backlog_fillers = []
        self.listener = None
        self.counts = {"requests": 0, "probes": 0, "accepted": 0}
        self.listen()

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.region.host, self.port))
        self.listener.listen(BACKLOG)
        self.listener.setblocking(False)
        self.poller.watch(self.listener.fileno(), self.accept)

    def accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except BlockingIOError:
                return
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.counts["accepted"] += 1
            if self.region.tls:
                connected = self.region.tls.wrap_socket(connected, server_side=True, do_handshake_on_connect=False)
            RequestConnection(self, connected)

    # Modes

    def change(self, mode):
        previous, self.mode = self.mode["mode"], mode
        kind = mode["mode"]
        if previous == "refuse" and kind != "refuse":
            self.listen()
        if previous == "blackhole" and kind != "blackhole":
            self.open_backlog()
        if kind == "refuse" and previous != "refuse":
            self.refuse()
        if kind == "blackhole" and previous != "blackhole":
            self.fill_backlog()
        if kind not in ("hang", "blackhole", "healthz_hang"):
            held, self.held = self.held, []
            for connection, request in held:
                self.answer(connection, request)

    def refuse(self):
        self.poller.forget(self.listener.fileno())
        self.listener.close()
        self.listener = None
        for connection in list(self.connections):
            # A request that has already arrived is answered: nobody could tell it from one that came too late.
            connection.read()
            connection.reset()
        self.held = []

    def fill_backlog(self):
        """Lets the kernel's queue of connections fill up, after which it drops further attempts without a word."""
        self.poller.forget(self.listener.fileno())
        self.listener.listen(0)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((self.region.host, self.port))
            self.backlog_fillers.append(filler)
        for connection in self.connections:
            self.poller.forget(connection.socket.fileno())

    def open_backlog(self):
        for filler in self.backlog_fillers:
            filler.close()
        self.backlog_fillers = []
        self.listener.listen(BACKLOG)
        self.poller.watch(self.listener.fileno(), self.accept)
        for connection in self.connections:
            self.poller.watch(connection.socket.fileno(), connection.read)

    # Requests

    def take_hello(self, connection):
        kind = self.mode["mode"]
        if kind == "hang":
            self.held.append((connection, None))
        elif kind == "slow":
            self.poller.after(self.mode["seconds"], lambda: self.answer(connection, None))
        else:
            self.answer(connection, None)

    def take(self, connection, request):
        """A request has been read to its end."""
        kind = self.mode["mode"]
        if request.is_probe:
            self.counts["probes"] += 1
        else:
            self.counts["requests"] += 1
            if request.method == "POST" and not (request.is_call and kind in ("errors", "refuse_streams")):
                self.region.record_executed(request, self)
        if kind == "hang" or kind == "healthz_hang" and request.is_probe:
            self.held.append((connection, request))
        elif kind == "ok" and not request.is_probe:
            self.region.queue(lambda wait: self.answer_after(connection, request, wait))
        elif kind == "slow":
            self.poller.after(self.mode["seconds"], lambda: self.answer(connection, request))
        else:
            self.answer(connection, request)

    def answer_after(self, connection, request, wait):
        """`wait`: seconds until its turn; None: there is no room."""
        if wait is None:
            return connection.answer_status(request, 503)
        wait += float(request.query.get("after", "0"))
        if wait > 0.001:
            self.poller.after(wait, lambda: self.answer_late(connection, request))
        else:
            self.answer(connection, request)

    def answer_late(self, connection, request):
        """What was well when the request came decides about its answer, unless nothing can be answered any more."""
        kind = self.mode["mode"]
        if kind in ("hang", "blackhole"):
            self.held.append((connection, request))
        elif kind == "reset":
            connection.reset()
        else:
            connection.answer_body(request, self.body(request))

    def answer(self, connection, request):
        kind = self.mode["mode"]
        if kind == "reset":
            connection.reset()
        elif request is None:
            connection.answer_hello()
        elif (status := self.status_for(request)) != 200 or request.is_probe:
            connection.answer_status(request, status)
        elif kind == "refuse_streams" and request.is_call:
            connection.refuse(request)
        elif kind == "garbage":
            connection.answer_garbage()
        elif kind == "truncate":
            connection.answer_half(request, self.body(request))
        else:
            connection.answer_body(request, self.body(request))

    def status_for(self, request):
        kind = self.mode["mode"]
        if request.is_probe:
            return 503 if kind == "healthz_bad" else 200
        if kind == "healthz_only":
            return self.mode.get("status", 500)
        if kind == "errors" and self.region.random.random() < self.mode.get("fraction", 1.0):
            return self.mode.get("status", 500)
        return 200

    def body(self, request):
        start = f"{request.id} {self.region.name} {self.name} ".encode()
        size = max(int(request.query.get("size", "100")), len(start) + 4)
        return start + b"." * (size - len(start) - 4) + b"end\n"


class Region:
    """The process: its endpoints, and the commands it takes."""

    def __init__(self, configuration):
        self.name = configuration["region"]
        self.host = configuration.get("host", "127.0.0.1")
        self.random = random.Random(configuration.get("seed", 1))
        self.tls = None
        if certificate := configuration.get("certificate"):
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate[1], certificate[0])
        self.poller = Poller()
        self.executed = os.open(configuration["executed"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.endpoints = [
            Endpoint(self, endpoint["service"], endpoint["name"], endpoint["port"])
            for endpoint in configuration["endpoints"]
        ]
        self.commands = b""
        self.capacity = None
        self.free_at = 0.0
        self.taken = deque()
        self.busiest = 0

    def queue(self, start):
        """Calls `start` with how long the next request has to wait for its turn, or None when that is too long."""
        now = time.monotonic()
        self.taken.append(now)
        while self.taken[0] < now - 1:
            self.taken.popleft()
        self.busiest = max(self.busiest, len(self.taken))
        if self.capacity is None:
            return start(0)
        capacity = self.present_capacity(now)
        wait = max(0.0, self.free_at - now)
        refused = wait > 0.5
        self.free_at = max(now, self.free_at) + (0.2 if refused else 1) / capacity
        start(None if refused else wait)

    def present_capacity(self, now):
        limit = self.capacity
        risen = min(1.0, (now - limit["since"]) / limit["over"]) if limit["over"] > 0 else 1.0
        return limit["from"] + (limit["to"] - limit["from"]) * risen

    def record_executed(self, request, endpoint):
        os.write(self.executed, f"{request.id} {endpoint.name}\n".encode())

    def read_commands(self):
        part = os.read(0, 65536)
        if not part:
            raise SystemExit(0)
        self.commands += part
        while b"\n" in self.commands:
            line, self.commands = self.commands.split(b"\n", 1)
            print(json.dumps(self.obey(json.loads(line))), flush=True)

    def obey(self, command):
        if "counts" in command:
            return {e.name: e.counts | {"open": len(e.connections)} for e in self.endpoints}
        if "busiest" in command:
            return {"busiest": self.busiest}
        if "capacity" in command:
            limit, now = command["capacity"], time.monotonic()
            rise = {"since": now, "over": command.get("over", 0), "from": command.get("from", limit), "to": limit}
            self.capacity, self.free_at, self.busiest = rise if limit else None, now, 0
            return {"done": "capacity"}
        for endpoint in self.endpoints:
            if command.get("service") in (None, endpoint.service) and command.get("endpoint") in (None, endpoint.name):
                endpoint.change(command)
        return {"done": command["mode"]}

    def run(self):
        self.poller.watch(0, self.read_commands)
        print(json.dumps({"ready": self.name}), flush=True)
        while True:
            self.poller.turn()


if __name__ == "__main__":
    Region(json.loads(sys.argv[1])).run()
