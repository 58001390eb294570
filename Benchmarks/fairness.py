"""What a clean client gets beside one connection that floods: requests a second and the 99th percentile, against
HAProxy's client beside the same flood in the same run, and how long a turn of the worker took at worst."""

import contextlib
import re
import statistics
import subprocess
import sys
import time

from bench import markdown, say
from contenders import HERE, HAProxy, Server, Spillway, make_certificate
from flood import KINDS
from measure import Failed, get, pinned

# A clean client's requests, at least this part of what it gets beside HAProxy; its p99, and a turn, at most.
REQUESTS_MARK = 0.9
P99_MARK_MS = 10.0
TURN_MARK_MS = 2.0


class FloodOrigin(Server):
    def __init__(self, directory, core):
        super().__init__("flood-origin", directory, core)

    def command(self):
        return [sys.executable, HERE / "flood.py", "origin", self.port]


class FairSpillway(Spillway):
    flood_port = 0

    def table(self):
        table = super().table()
        table["services"]["flood"] = {"endpoints": {"r1": [f"127.0.0.1:{self.flood_port}"]}, "probe": {"tcp": True}}
        exact = lambda path: {"path": {"exact": path}}
        table["routes"] = [
            {"match": exact("/"), "to": "s"},
            {"match": exact("/own"), "respond": {"status": 200, "body": "own"}},
            {"match": exact("/moved"), "redirect": {"path": "/"}},
        ] + [{"match": exact(path), "to": "flood"} for path in ("/sink", "/chunks", "/stream")]
        return table

    def longest_turn_ms(self):
        page = get(self.admin_port, "/metrics").decode()
        return max(float(value) for value in re.findall(r"longest_turn_seconds\{.*\} (\S+)", page)) * 1_000


class FairHAProxy(HAProxy):
    flood_port = 0

    def command(self):
        command = super().command()
        path = self.directory / "haproxy.cfg"
        path.write_text(
            path.read_text()
            + f"""
    http-request return status 200 content-type text/plain string own if {{ path /own }}
    http-request redirect location / code 308 if {{ path /moved }}
    http-request return status 404 if {{ path /nowhere }}
    use_backend flood if {{ path /sink /chunks /stream }}
backend flood
    server flood 127.0.0.1:{self.flood_port}
"""
        )
        return command


KINDS_OF_SERVERS = {"spillway": FairSpillway, "haproxy": FairHAProxy}


def clean_client(bench, server, seconds):
    """Requests a second and the 99th percentile in milliseconds of one keep-alive connection."""
    url = f"{server.scheme}://127.0.0.1:{server.port}/"
    command = ["wrk", "-t1", "-c1", f"-d{seconds}s", "--timeout", "10s", "--latency", url]
    text = subprocess.run(pinned(bench.load_core, command), capture_output=True, text=True, check=True).stdout
    unit = {"us": 0.001, "ms": 1.0, "s": 1_000.0}
    amount, name = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), float(amount) * unit[name]


@contextlib.contextmanager
def flooded(bench, kind, server, seconds):
    command = [sys.executable, HERE / "flood.py", kind, server.port, seconds]
    if server.is_encrypted:
        command.append("--tls")
    process = subprocess.Popen(pinned(bench.load_core, command))
    time.sleep(0.3)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def bench_fairness(bench):
    make_certificate(bench.directory)
    for scheme in ("http", "https"):
        rows = []
        for kind in KINDS:
            say(f"beside a flood over {scheme}: {kind}")
            try:
                rows.append(beside(bench, scheme, kind))
            except (Failed, OSError, subprocess.CalledProcessError) as failure:
                bench.fail(f"fairness/{scheme}/{kind}", failure)
        columns = ["flood", "requests/s", "beside HAProxy", "ratio", "p99 ms", "HAProxy's", "longest turn ms"]
        notes = [
            "One clean keep-alive connection beside one that floods; proxy on one core, all else on another, the flood last."
        ]
        markdown(f"Beside one flood over {scheme}", columns, rows, notes)


def beside(bench, scheme, kind):
    found = {name: [] for name in KINDS_OF_SERVERS}
    turn = 0.0
    with contextlib.ExitStack() as running:
        origin = running.enter_context(bench.origin())
        flood = running.enter_context(FloodOrigin(bench.directory / "flood", bench.load_core))
        for of in KINDS_OF_SERVERS.values():
            of.flood_port, of.scheme = flood.port, scheme
        servers = {
            name: running.enter_context(bench.server(name, origin, f"-fair-{scheme}", KINDS_OF_SERVERS))
            for name in KINDS_OF_SERVERS
        }
        for round_ in range(bench.options.rounds):
            names = list(servers) if round_ % 2 else list(servers)[::-1]
            for name in names:
                with flooded(bench, kind, servers[name], bench.options.seconds + 5):
                    found[name].append(clean_client(bench, servers[name], bench.options.seconds))
        turn = servers["spillway"].longest_turn_ms()
    rate = {name: statistics.median(one[0] for one in all_) for name, all_ in found.items()}
    p99 = {name: statistics.median(one[1] for one in all_) for name, all_ in found.items()}
    ratio = rate["spillway"] / rate["haproxy"] if rate["haproxy"] else float("inf")
    label = f"{scheme}, {kind}"
    bench.mark(f"HAProxy's clean client's requests, in ours: {label}", 1 / ratio, 1 / REQUESTS_MARK)
    bench.mark(f"p99 ms of a clean client: {label}", p99["spillway"], P99_MARK_MS)
    bench.mark(f"longest turn, ms: {label}", turn, TURN_MARK_MS)
    bench.results[f"fairness/{label}"] = {"found": found, "turn_ms": turn}
    return [
        kind, f"{rate['spillway']:,.0f}", f"{rate['haproxy']:,.0f}", f"{ratio:.2f}", f"{p99['spillway']:.2f}",
        f"{p99['haproxy']:.2f}", f"{turn:.2f}",
    ]
