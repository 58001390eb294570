"""What a connection that says nothing costs in memory, after one request."""

import contextlib
import socket
import ssl
import time

from bench import markdown, say
from measure import REQUEST_FIELDS, Failed, memory_kib, trusting


def bench_idle(bench, key, kinds, connections, first, more, title, notes=()):
    """Measures each of `kinds` with `first` connections and with so many `more`; `connections(port)` makes them.
    Prints a table, and returns Spillway's KiB for each connection, or None."""
    rows, each = [], {}
    for name in bench.names:
        if name not in kinds:
            continue
        say(f"memory of idle connections: {name}")
        try:
            before, after = idle_memory(bench, name, kinds, connections, first, more)
        except (Failed, OSError) as failure:
            bench.fail(name, failure)
            continue
        each[name] = (after - before) / more
        bench.results[f"{key}/{name}"] = {"before_kib": before, "after_kib": after, "each_kib": each[name]}
        rows.append([name, f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{each[name]:.2f}"])
    columns = ["proxy", f"MiB with {first:,}", f"MiB with {first + more:,}", "KiB per connection"]
    markdown(title, columns, rows, notes)
    return each.get("spillway")


def idle_memory(bench, name, kinds, connections, first, more):
    with contextlib.ExitStack() as running:
        origin = running.enter_context(bench.origin())
        server = running.enter_context(bench.server(name, origin, "-memory", kinds))
        idle = running.enter_context(contextlib.closing(connections(server.port)))
        idle.open(first)
        time.sleep(bench.options.settle)
        before = memory_kib(server.pids())
        idle.open(more)
        time.sleep(bench.options.settle)
        after = memory_kib(server.pids())
        if not idle.still_open():
            raise Failed("idle connections were closed")
        return before, after


class IdleConnections:
    """Keep-alive connections of HTTP/1.1."""

    def __init__(self, port, encrypted=False):
        self.port = port
        self.context = trusting() if encrypted else None
        self.sockets = []

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return self.context.wrap_socket(connection, server_hostname="bench.test") if self.context else connection

    def open(self, number, at_once=50):
        """Opens more, a few at a time, so that what a proxy needs for busy ones stays small in the difference."""
        request = ("GET / HTTP/1.1\r\nHost: bench.test\r\n" + "\r\n".join(REQUEST_FIELDS) + "\r\n\r\n").encode()
        while number > 0:
            size = min(number, at_once)
            batch = [self.connect() for _ in range(size)]
            for connection in batch:
                connection.sendall(request)
            for connection in batch:
                answer = b""
                while not answer.endswith(b"x" * 100):
                    part = connection.recv(4096)
                    if not part:
                        raise Failed("an idle connection was closed")
                    answer += part
                if not answer.startswith(b"HTTP/1.1 200"):
                    raise Failed(f"unexpected answer: {answer[:80]!r}")
            self.sockets += batch
            number -= len(batch)

    def still_open(self):
        """Whether the proxy has kept every one of them."""
        for connection in self.sockets:
            connection.setblocking(False)
            try:
                if connection.recv(1) == b"":
                    return False
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
        return True

    def close(self):
        for connection in self.sockets:
            connection.close()
        self.sockets = []
