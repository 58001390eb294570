"""What TLS costs: a request on an encrypted connection, a handshake, a resumed one, an idle connection."""

import contextlib
import json
import subprocess
import time

from bench import cpu_table, markdown, per_request, say
from contenders import BUILD, TLS_KINDS, make_certificate
from measure import Failed, IdleConnections, memory_kib, pinned, requests_by_wrk

# Spillway's CPU time, at most this many times the other's.
REQUEST_MARKS = {"haproxy": 0.90, "nginx": 0.90}
# The same of a connection: as many handshakes for a CPU second as HAProxy, less one in twenty.
HANDSHAKE_MARKS = {"haproxy": 1 / 0.95}
IDLE_MARK_KIB = 40.0

CONNECTIONS = 64
IDLE_CONNECTIONS = 2_000


def bench_tls(bench):
    make_certificate(bench.directory)
    with bench.everyone(TLS_KINDS) as (origin, servers):
        say(f"TLS, requests, {CONNECTIONS} keep-alive connections")
        secure = {"scheme": "https"}
        bench.warm(servers, lambda server: requests_by_wrk(server.port, CONNECTIONS, 1, bench.load_core, **secure))
        found = bench.rounds(servers, per_request(bench, origin, CONNECTIONS, bench.options.seconds, **secure))
        bench.results["tls/requests"] = found
        columns = ["connections", "proxy", "CPU µs per request", "user", "system", "× blind", "× HAProxy", "× nginx"]
        markdown(
            "TLS 1.3 (ECDSA P-256): keep-alive requests", columns, cpu_table(bench, found, CONNECTIONS),
            ["Spillway agrees on AES-128-GCM, the others, with OpenSSL's order, on AES-256-GCM."],
        )
        mark(bench, found, "CPU per TLS request", REQUEST_MARKS)
        rows = []
        for kind in ("full", "resumed"):
            rows += bench_handshakes(bench, origin, servers, kind)
        columns = ["handshake", "proxy", "CPU µs per connection", "user", "system", "per CPU second"]
        columns += ["× blind", "× HAProxy", "× nginx"]
        markdown("TLS 1.3 (ECDSA P-256): new connections, one request each", columns, rows)
    bench_idle(bench)


def bench_handshakes(bench, origin, servers, kind):
    say(f"TLS, {kind} handshakes")

    def load(server, seconds):
        command = [BUILD / "handshake", server.port, 32, seconds, kind]
        run = subprocess.run(pinned(bench.load_core, command), capture_output=True, text=True, timeout=seconds + 30)
        if run.returncode != 0:
            raise Failed(f"handshake: {run.stderr}")
        counts = json.loads(run.stdout)
        wrong = counts["resumed"] if kind == "full" else counts["connections"] - counts["resumed"]
        # The first one has no session to resume.
        if counts["failed"] or wrong > (0 if kind == "full" else 1):
            raise Failed(f"{kind} handshakes: {counts}")
        return counts["connections"]

    bench.warm(servers, lambda server: load(server, 0.5))
    measure = lambda server: bench.metered(server, origin, lambda: load(server, bench.options.seconds))
    found = bench.rounds(servers, measure)
    bench.results[f"tls/{kind}"] = found
    mark(bench, found, f"CPU per connection with a {kind} handshake", HANDSHAKE_MARKS)
    return cpu_table(bench, found, kind, per_second=True)


def bench_idle(bench):
    rows = []
    for name in bench.names:
        if name not in TLS_KINDS:
            continue
        say(f"memory of idle TLS connections: {name}")
        try:
            before, after, each = idle_memory(bench, name)
        except Failed as failure:
            bench.fail(name, failure)
            continue
        bench.results[f"tls/memory/{name}"] = {"before_kib": before, "after_kib": after, "each_kib": each}
        rows.append([name, f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{each:.2f}"])
        if name == "spillway":
            bench.mark("KiB per idle TLS connection", each, IDLE_MARK_KIB)
    columns = ["proxy", "MiB with 200", f"MiB with {200 + IDLE_CONNECTIONS:,}", "KiB per connection"]
    markdown(f"TLS 1.3: {IDLE_CONNECTIONS:,} idle connections", columns, rows)


def idle_memory(bench, name):
    """Memory with 200 idle connections, and with many more."""
    with contextlib.ExitStack() as running:
        origin = running.enter_context(bench.origin())
        server = running.enter_context(bench.server(name, origin, "-memory", TLS_KINDS))
        idle = running.enter_context(contextlib.closing(IdleConnections(server.port, encrypted=True)))
        idle.open(200)
        time.sleep(bench.options.settle)
        before = memory_kib(server.pids())
        idle.open(IDLE_CONNECTIONS)
        time.sleep(bench.options.settle)
        after = memory_kib(server.pids())
        if not idle.still_open():
            raise Failed("idle connections were closed")
        return before, after, (after - before) / IDLE_CONNECTIONS


def mark(bench, found, what, limits):
    for other, limit in limits.items():
        ratio = bench.ratio(found, "spillway", other)
        if ratio is not None:
            bench.mark(f"{what}, × {other}", ratio, limit)
