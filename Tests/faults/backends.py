#!/usr/bin/env python3
"""All endpoints of one region, in one process, and everything that can go wrong with them.

    backends.py CONFIGURATION      a JSON object: {"region": "r1", "seed": 1, "executed": FILE, "host": "127.0.0.1",
                                   "endpoints": [{"service": "svc0", "name": "svc0-0", "port": 12000}, …]}

Answers GET and POST at `host` with `x-region` and `x-endpoint`, and a body that begins with the request's
x-request-id and ends with "end\\n", so that whoever reads it can tell whether it is whole and his own. The query
chooses its form: size=BYTES, over=SECONDS (streamed in pieces), framing=length|chunked|mixed (by request).
/healthz is for probes.

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
    errors                 answers `status` (500) to the share `fraction` (1) of requests
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

import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time
from collections import deque
from urllib.parse import parse_qsl

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
BACKLOG = 4096
PIECES = 4


class Poller:
    """Descriptors and timers: one turn calls what is due."""

    def __init__(self):
        self.epoll = select.epoll()
        self.readers = {}
        self.timers = []
        self.sequence = 0

    def watch(self, descriptor, reader):
        self.readers[descriptor] = reader
        self.epoll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor):
        if self.readers.pop(descriptor, None):
            self.epoll.unregister(descriptor)

    def after(self, seconds, action):
        self.sequence += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.sequence, action))

    def turn(self):
        wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else -1
        for descriptor, _ in self.epoll.poll(wait):
            # An earlier reader of this turn may have closed it.
            if reader := self.readers.get(descriptor):
                reader()
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()


class Request:
    def __init__(self, method, target, fields, body_length):
        self.method = method
        path, _, query = target.partition("?")
        self.is_probe = path == "/healthz"
        self.query = dict(parse_qsl(query))
        self.id = fields.get("x-request-id", "-")
        self.closing = fields.get("connection", "").lower() == "close"
        self.body_length = body_length


class Connection:
    """A connection to an endpoint: at most one request at a time is being answered."""

    def __init__(self, endpoint, connected):
        self.endpoint = endpoint
        self.socket = connected
        self.received = b""
        self.waiting = None
        endpoint.poller.watch(connected.fileno(), self.read)

    def read(self):
        try:
            part = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            return self.close()
        self.received += part
        self.advance()

    def advance(self):
        while self.waiting is None and self.socket is not None:
            if self.received[:1] == b"\x16":
                if not self.take_hello():
                    return
                continue
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
        return Request(method, target, fields, body_end - body_start)

    def send(self, data):
        """Sends everything, waiting for a slow reader for a moment: what is sent here fits a socket's buffers."""
        if self.socket is None:
            return
        try:
            self.socket.settimeout(1.0)
            self.socket.sendall(data)
            self.socket.setblocking(False)
        except OSError:
            self.close()

    def answered(self):
        request, self.waiting = self.waiting, None
        if request.closing:
            self.close()
        self.advance()

    def reset(self):
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close()

    def close(self):
        if self.socket is not None:
            self.endpoint.poller.forget(self.socket.fileno())
            self.socket.close()
            self.socket = None
            self.endpoint.connections.discard(self)


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
            self.connections.add(Connection(self, connected))

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
        if request.is_probe:
            self.counts["probes"] += 1
        else:
            self.counts["requests"] += 1
            if request.method == "POST":
                self.region.record_executed(request, self)
        kind = self.mode["mode"]
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
            connection.send(self.head(503, "content-length: 5") + b"full\n")
            connection.answered()
        elif wait > 0.001:
            self.poller.after(wait, lambda: self.answer(connection, request))
        else:
            self.answer(connection, request)

    def answer(self, connection, request):
        kind = self.mode["mode"]
        if kind == "reset":
            return connection.reset()
        if request is None:
            return connection.send(b"\x16")
        status = self.status_for(request)
        if kind == "garbage" and not request.is_probe:
            connection.send(b"\x15\x03\x01\x00\x02\x02\x28 this is not HTTP\r\n\r\n")
            connection.close()
        elif kind == "truncate" and not request.is_probe:
            self.send_truncated(connection, request)
        elif status != 200 or request.is_probe:
            text = f"{status}\n".encode()
            connection.send(self.head(status, f"content-length: {len(text)}") + text)
            connection.answered()
        else:
            self.send_body(connection, request)

    def status_for(self, request):
        kind = self.mode["mode"]
        if request.is_probe:
            return 503 if kind == "healthz_bad" else 200
        if kind == "healthz_only":
            return self.mode.get("status", 500)
        if kind == "errors" and self.region.random.random() < self.mode.get("fraction", 1.0):
            return self.mode.get("status", 500)
        return 200

    def head(self, status, framing):
        reason = {200: "OK", 500: "Internal Server Error", 503: "Service Unavailable"}.get(status, "Status")
        return (
            f"HTTP/1.1 {status} {reason}\r\nx-region: {self.region.name}\r\nx-endpoint: {self.name}\r\n"
            f"content-type: text/plain\r\n{framing}\r\n\r\n"
        ).encode()

    def body(self, request):
        start = f"{request.id} {self.region.name} {self.name} ".encode()
        size = max(int(request.query.get("size", "100")), len(start) + 4)
        return start + b"." * (size - len(start) - 4) + b"end\n"

    def is_chunked(self, request):
        framing = request.query.get("framing", "length")
        return framing == "chunked" or (framing == "mixed" and request.id[-1:] in "13579")

    def send_body(self, connection, request):
        body = self.body(request)
        chunked = self.is_chunked(request)
        head = self.head(200, "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}")
        over = float(request.query.get("over", "0"))
        pieces = 1 if over == 0 else PIECES
        step = -(-len(body) // pieces)

        def send_piece(number):
            part = body[number * step : (number + 1) * step]
            last = number == pieces - 1
            data = head if number == 0 else b""
            data += chunk(part) + (b"0\r\n\r\n" if last else b"") if chunked else part
            connection.send(data)
            if connection.socket is None:
                return
            if last:
                connection.answered()
            else:
                self.poller.after(over / (pieces - 1), lambda: send_piece(number + 1))

        send_piece(0)

    def send_truncated(self, connection, request):
        body = self.body(request)
        half = body[: len(body) // 2]
        if self.is_chunked(request):
            connection.send(self.head(200, "transfer-encoding: chunked") + chunk(half))
        else:
            connection.send(self.head(200, f"content-length: {len(body)}") + half)
        connection.close()


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Region:
    """The process: its endpoints, and the commands it takes."""

    def __init__(self, configuration):
        self.name = configuration["region"]
        self.host = configuration.get("host", "127.0.0.1")
        self.random = random.Random(configuration.get("seed", 1))
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
