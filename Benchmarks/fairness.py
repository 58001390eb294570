"""What a clean client gets beside one connection that floods: requests a second and the 99th percentile, against
HAProxy's client beside the same flood in the same run, and how long a turn of the worker took at worst."""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import markdown, say
from contenders import HERE, HAProxy, Server, Spillway, free_port, make_certificate, variants
from flood import HTTP1, HTTP2
from http2 import ByHTTP2
from measure import Failed, get, pinned

# A clean client's requests, at least this part of what it gets beside HAProxy; its p99, and a turn, at most.
REQUESTS_MARK = 0.9
P99_MARK_MS = 10.0
TURN_MARK_MS = 2.0

# Floods that are answered by endpoints alone, and those that a tunnel can have.
ANSWERS = ["answer in 1-byte chunks", "download"]
TUNNELED = ["upload", *ANSWERS]


class FloodOrigin(Server):
    """Serves the floods. `small` frames are of HTTP/2; TLS has the benchmarks' own certificate."""

    def __init__(self, name, directory, core, *options):
        super().__init__(name, directory / name, core)
        self.options = options

    def command(self):
        return [sys.executable, HERE / "flood.py", "origin", self.port, *self.options]

    def serves(self):
        with open(f"/proc/net/tcp") as file:
            return any(f":{self.port:04X} " in line and " 0A " in line for line in file)


class Flooded:
    """What a contender is told of the floods' endpoints: by path, or by a listener of its own that is a tunnel."""

    # Ports of the floods' endpoints, and what is spoken to them: "http1", "http2" or "tls".
    sink_port = chunks_port = stream_port = 0
    spoken = "http1"
    has_tunnels = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.flood_port = free_port() if self.has_tunnels else self.port

    def endpoints(self):
        return {"sink": self.sink_port, "chunks": self.chunks_port, "stream": self.stream_port}


class FairSpillway(Flooded, Spillway):
    def start(self):
        super().start()
        # The worker alone on its core, as the thread of HAProxy is: what else the router does is not what is measured.
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            if not Path(f"/proc/{self.process.pid}/task/{thread}/comm").read_text().startswith("worker"):
                os.sched_setaffinity(int(thread), {self.load_core})

    @property
    def load_core(self):
        return min(os.sched_getaffinity(0))

    def table(self):
        table = super().table()
        exact = lambda path: {"path": {"exact": path}}
        table["routes"] = [
            {"match": exact("/own"), "respond": {"status": 200, "body": "own"}},
            {"match": exact("/moved"), "redirect": {"path": "/"}},
        ]
        for name, port in self.endpoints().items():
            service = {"endpoints": {"r1": [f"127.0.0.1:{port}"]}, "probe": "none"}
            if self.spoken == "http2":
                service["protocol"] = "http2"
            if self.spoken == "tls":
                service["tls"] = {"verify": False}
            table["services"][name] = service
            table["routes"].append({"match": exact("/" + name), "to": name})
        table["routes"].append({"match": exact("/"), "to": "s"})
        if self.has_tunnels:
            table["listeners"]["web"]["protocol"] = "tcp"
            table["listeners"]["flood"] = {"bind": f"127.0.0.1:{self.flood_port}", "protocol": "tcp"}
            table["routes"] = [{"match": {"listener": name}, "to": to} for name, to in (("web", "s"), ("flood", "sink"))]
        return table

    def longest_turn_ms(self):
        page = get(self.admin_port, "/metrics").decode()
        return max(float(value) for value in re.findall(r"longest_turn_seconds\{.*\} (\S+)", page)) * 1_000

    def waited_ms(self):
        """How long the worker was ready to run and did not, since it began."""
        waited = 0
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            if (thread / "comm").read_text().startswith("worker"):
                waited += int((thread / "schedstat").read_text().split()[1])
        return waited / 1e6


class FairHAProxy(Flooded, HAProxy):
    def command(self):
        command = super().command()
        path = self.directory / "haproxy.cfg"
        server = {"http1": "", "http2": "proto h2", "tls": "ssl verify none"}[self.spoken]
        text = path.read_text()
        if self.has_tunnels:
            text = text.replace("mode http\n", "mode tcp\n").replace("option http-keep-alive", "")
            text = text.replace("http-reuse always", "")
            text += f"listen flood\n    bind 127.0.0.1:{self.flood_port}\n    server flood 127.0.0.1:{self.sink_port}\n"
        else:
            text += """
    http-request return status 200 content-type text/plain string own if { path /own }
    http-request redirect location / code 308 if { path /moved }
    http-request return status 404 if { path /nowhere }
"""
            text += "".join(f"    use_backend {name} if {{ path /{name} }}\n" for name in self.endpoints())
            for name, port in self.endpoints().items():
                text += f"backend {name}\n    server flood 127.0.0.1:{port} {server}\n"
        path.write_text(text)
        return command


@dataclass
class Place:
    """A kind of listener and endpoint, and the floods that are tried there."""

    label: str
    floods: list
    scheme: str = "http"
    alpn: str = "http/1.1"
    spoken: str = "http1"
    has_tunnels: bool = False

    def contenders(self, **ports):
        kinds = {"spillway": FairSpillway, "haproxy": FairHAProxy}
        bases = [ByHTTP2] if self.alpn == "h2" else []
        attributes = {"scheme": self.scheme, "spoken": self.spoken, "has_tunnels": self.has_tunnels}
        return variants(kinds, *bases, **attributes, **ports)


PLACES = [
    Place("HTTP/1.1", list(HTTP1)),
    Place("HTTP/1.1 over TLS", list(HTTP1), scheme="https"),
    Place("HTTP/2", list(HTTP2), alpn="h2"),
    Place("HTTP/2 over TLS", list(HTTP2), scheme="https", alpn="h2"),
    Place("tunnels", TUNNELED, has_tunnels=True),
    Place("endpoints of HTTP/2", ANSWERS, spoken="http2"),
    Place("endpoints over TLS", ANSWERS, spoken="tls"),
]


def clean_client(bench, server, seconds):
    """Requests a second and the 99th percentile in milliseconds of one connection that asks one request at a time."""
    url = f"{server.scheme}://127.0.0.1:{server.port}/"
    if server.alpn == "h2":
        log = bench.directory / "requests"
        log.unlink(missing_ok=True)
        command = ["h2load", "-t1", "-c1", "-m1", f"-D{seconds}", f"--log-file={log}", url]
        subprocess.run(pinned(bench.load_core, command), capture_output=True, check=True, timeout=seconds + 30)
        # When it began, the status, and the microseconds that it took.
        took = sorted(int(line.split()[2]) for line in log.read_text().splitlines() if line.split()[1] == "200")
        return len(took) / seconds, took[len(took) * 99 // 100] / 1_000 if took else seconds * 1_000.0
    command = ["wrk", "-t1", "-c1", f"-d{seconds}s", "--timeout", "10s", "--latency", url]
    text = subprocess.run(pinned(bench.load_core, command), capture_output=True, text=True, check=True).stdout
    unit = {"us": 0.001, "ms": 1.0, "s": 1_000.0}
    amount, name = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), float(amount) * unit[name]


@contextlib.contextmanager
def flooded(bench, flood, server, seconds):
    command = [sys.executable, HERE / "flood.py", flood, server.flood_port, seconds]
    if server.is_encrypted:
        command.append("--tls")
    if server.alpn == "h2":
        command.append("--http2")
    process = subprocess.Popen(pinned(bench.load_core, command))
    time.sleep(0.3)
    try:
        yield
    finally:
        if process.poll() is not None:
            raise Failed(f"the flood ended by itself, with status {process.returncode}")
        process.kill()
        process.wait()


def bench_fairness(bench):
    make_certificate(bench.directory)
    columns = ["flood", "requests/s", "beside HAProxy", "ratio", "p99 ms", "HAProxy's", "longest turn ms", "waited ms"]
    notes = [
        "One clean connection beside one that floods: the worker on one core, all else on another, the flood last. The "
        "longest turn is by the clock, so it has in it what the worker waited for its core (all of it together)."
    ]
    for place in PLACES:
        if bench.options.place and bench.options.place != place.label:
            continue
        rows = []
        for flood in place.floods:
            say(f"beside a flood, {place.label}: {flood}")
            try:
                rows.append(beside(bench, place, flood))
            except (Failed, OSError, subprocess.SubprocessError) as failure:
                bench.fail(f"fairness/{place.label}/{flood}", failure)
        markdown(f"Beside one flood: {place.label}", columns, rows, notes)


def endpoints_of_floods(bench, place, running):
    """Ports of the floods' endpoints."""
    start = lambda name, *options: running.enter_context(
        FloodOrigin(name, bench.directory, bench.load_core, *options)
    ).port
    if place.spoken == "http2":
        stream, chunks = start("frames", "--http2"), start("small-frames", "--http2", "--small")
        return {"sink_port": stream, "stream_port": stream, "chunks_port": chunks}
    port = start("flood", *(["--tls", bench.directory / "bench.pem"] if place.spoken == "tls" else []))
    return {"sink_port": port, "stream_port": port, "chunks_port": port}


def beside(bench, place, flood):
    found = {}
    with contextlib.ExitStack() as running:
        origin = running.enter_context(bench.origin())
        kinds = place.contenders(**endpoints_of_floods(bench, place, running))
        servers = [running.enter_context(bench.server(name, origin, "-fair", kinds)) for name in kinds]
        spillway = servers[0]
        waited = spillway.waited_ms()
        for round_ in range(bench.options.rounds):
            for server in servers[:: 1 if round_ % 2 else -1]:
                with flooded(bench, flood, server, bench.options.seconds + 5):
                    found.setdefault(server.name, []).append(clean_client(bench, server, bench.options.seconds))
        turn, waited = spillway.longest_turn_ms(), spillway.waited_ms() - waited
    rate = {name: statistics.median(one[0] for one in all_) for name, all_ in found.items()}
    p99 = {name: statistics.median(one[1] for one in all_) for name, all_ in found.items()}
    ratio = rate["spillway"] / rate["haproxy"] if rate["haproxy"] else float("inf")
    label = f"{place.label}, {flood}"
    bench.mark(f"HAProxy's clean client's requests, in ours: {label}", 1 / max(ratio, 1e-9), 1 / REQUESTS_MARK)
    bench.mark(f"p99 ms of a clean client: {label}", p99["spillway"], P99_MARK_MS)
    bench.mark(f"longest turn, ms: {label}", turn, TURN_MARK_MS)
    bench.results[f"fairness/{label}"] = {"found": found, "turn_ms": turn, "waited_ms": waited}
    return [
        flood, f"{rate['spillway']:,.0f}", f"{rate['haproxy']:,.0f}", f"{ratio:.2f}", f"{p99['spillway']:.2f}",
        f"{p99['haproxy']:.2f}", f"{turn:.2f}", f"{waited:.1f}",
    ]
