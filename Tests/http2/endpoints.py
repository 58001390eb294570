"""Attacks of an endpoint: what a server that speaks HTTP/2 can do to the proxy that asks it, and what each costs.

Each attack is one request to a hostile service, whose endpoint answers with what its assault says, without end. Beside it
a clean client asks another service every 5 ms. The proxy must close its connection to the endpoint, and the marks are
those of attacks.py.
"""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Callable

import attacks
import frames
import field_coding
from connection import Connection, Target
from frames import continuation, data, frame, goaway, headers, ping, priority, rst_stream, settings, window_update

ALTSVC = 0xA
SECONDS = 5.0
STATUS_200, STATUS_103 = field_coding.indexed(8), field_coding.literal(":status", "103")
LINK = field_coding.literal("link", "<a>; rel=preload")


@dataclass
class Assault:
    name: str
    sentence: str
    # What is said once a request has come on the stream, again and again.
    says: Callable
    # What is said once before that.
    first: Callable = lambda stream: b""


def head(stream):
    return headers(stream, STATUS_200, end=False)


ASSAULTS = [
    Assault("interims", "interim answers", lambda stream: headers(stream, STATUS_103 + LINK, end=False)),
    Assault("empty-data", "DATA without octets", lambda stream: data(stream, b""), head),
    Assault("padded-data", "DATA with nothing but padding", lambda stream: data(stream, b"", padding=b"\0" * 200), head),
    Assault("priority", "PRIORITY", lambda stream: priority(stream + 2, weight=7), head),
    Assault("goaway", "GOAWAY, again and again", lambda stream: goaway(last=2**31 - 1), head),
    Assault("altsvc", "ALTSVC", lambda stream: frame(ALTSVC, 0, stream, b"\0\0h2=:1"), head),
    Assault("unknown", "frames of unknown type", lambda stream: frame(frames.UNKNOWN, payload=b"\0" * 8), head),
    Assault("ping", "PING, each to be answered", lambda stream: ping(), head),
    Assault("ping-acks", "acknowledgements of PING that nobody sent", lambda stream: ping(ack=True), head),
    Assault("settings", "SETTINGS, each to be acknowledged", lambda stream: settings((frames.CONCURRENT_STREAMS, 99)), head),
    Assault("window-update", "WINDOW_UPDATE of one octet", lambda stream: window_update(0, 1), head),
    Assault("closed-data", "DATA on a stream that it has reset", lambda stream: data(stream, b""), rst_stream),
    Assault("closed-resets", "RST_STREAM on a closed stream", rst_stream, rst_stream),
    Assault("zeros", "fields without names", lambda stream: headers(stream, STATUS_200 + b"\0\0\0" * 5_000, end=False)),
    Assault(
        "crumbs", "interim answers of a thousand fields",
        lambda stream: headers(stream, STATUS_103 + field_coding.indexed(32) * 1_000, end=False)),
    Assault(
        "continuation", "a head without end", lambda stream: continuation(stream, LINK, end_headers=False),
        lambda stream: headers(stream, STATUS_200, end=False, end_headers=False)),
]


class HostileEndpoint:
    """Serves one assault at a time, a thread for each connection; `ended` tells how many connections were closed on it."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listening.getsockname()[1]
        self.assault = None
        self.ended, self.sent = 0, 0
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listening.close()

    def accept(self):
        while True:
            try:
                accepted, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(accepted,), daemon=True).start()

    def serve(self, accepted):
        assault = self.assault
        with accepted:
            accepted.settimeout(SECONDS)
            try:
                stream = self.await_request(accepted)
                accepted.sendall(settings() + frames.SETTINGS_ACK + assault.first(stream))
                said = assault.says(stream)
                batch = said * max(1, 16384 // len(said))
                until = time.monotonic() + SECONDS
                while time.monotonic() < until:
                    accepted.sendall(batch)
                    self.sent += len(batch)
            except TimeoutError:
                pass
            except OSError:
                self.ended += 1

    def await_request(self, accepted):
        """The stream of the first head that comes."""
        buffer = b""
        while True:
            part = accepted.recv(65536)
            if not part:
                raise OSError
            buffer += part
            at = len(frames.PREFACE)
            while len(buffer) >= at + 9:
                length = int.from_bytes(buffer[at : at + 3], "big")
                if buffer[at + 3] == frames.HEADERS:
                    return int.from_bytes(buffer[at + 5 : at + 9], "big")
                at += 9 + length


def ask(target):
    """One request to the hostile service; waits for its end, or for the time to be up."""
    with Connection(target) as connection:
        connection.handshake()
        connection.send(frames.headers(1, target.request()))
        until = time.monotonic() + SECONDS
        while not isinstance(got := connection.receive(until), str):
            if got.ends_stream or got.kind in (frames.RST_STREAM, frames.GOAWAY):
                return


def examine(target, hostile, pids, assault, cost_of_request, endpoint):
    endpoint.assault, endpoint.ended, endpoint.sent = assault, 0, 0
    with attacks.Witnessed(target, pids) as witnessed:
        time.sleep(attacks.SETTLE_SECONDS)
        before, begun = attacks.cpu_seconds(pids), time.monotonic()
        ask(hostile)
        while not endpoint.ended and time.monotonic() < begun + SECONDS:
            time.sleep(0.01)
        seconds = time.monotonic() - begun
        time.sleep(attacks.AFTERMATH_SECONDS)
        used = attacks.cpu_seconds(pids) - before
    told = witnessed.told
    measured = seconds + attacks.AFTERMATH_SECONDS
    clean = measured / (measured + attacks.SETTLE_SECONDS) * len(told["latencies"]) * cost_of_request
    growth = told["most_memory"] - told["first_memory"]
    ended = "closed" if endpoint.ended else None
    return attacks.Finding(
        ended, seconds, endpoint.sent, max(0.0, used - clean), growth, told["latencies"], told["lost"])


def run_assaults(target, pids, endpoint, names=(), what="proxy", busy=False):
    """Returns whether every mark was kept. Requests for /hostile go to the endpoint."""
    hostile = Target(target.host, target.port, target.tls, "/hostile")
    cost, p99 = attacks.calm(target, pids)
    print(f"{what}: a clean request costs {cost * 1e6:.0f} µs of CPU, its p99 is {p99 * 1000:.1f} ms\n")
    print(attacks.COLUMNS.format("endpoint's attack", "ended by", "s", "sent KiB", "CPU s", "MiB", "p50 ms", "p99 ms", ""))
    kept = 0
    chosen = [assault for assault in ASSAULTS if not names or assault.name in names]
    for assault in chosen:
        found = examine(target, hostile, pids, assault, cost, endpoint)
        missed = found.missed(False, busy)
        kept += not missed
        latencies = [f"{found.latency(fraction) * 1000:.1f}" for fraction in (0.5, 0.99)]
        row = [assault.name, found.ended or "-", f"{found.seconds:.1f}", found.sent >> 10]
        row += [f"{found.cpu_seconds:.3f}", f"{found.memory_growth / (1 << 20):.1f}", *latencies]
        print(attacks.COLUMNS.format(*row, f"MISSED: {', '.join(missed)}" if missed else ""), flush=True)
    print(f"\n{what}: {kept} of {len(chosen)} attacks of an endpoint within all marks")
    return kept == len(chosen)
