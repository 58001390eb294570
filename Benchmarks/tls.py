"""What TLS costs: a request on an encrypted connection, a handshake, a resumed one, an idle connection."""

import functools
import json
import subprocess

from bench import cpu_table, markdown, say
from contenders import BUILD, TLS_KINDS, make_certificate
from idle import IdleConnections, bench_idle
from measure import Failed, pinned, requests_by_wrk

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
        load = lambda server, seconds: requests_by_wrk(
            server.port, CONNECTIONS, seconds, bench.load_core, scheme="https"
        )
        found = bench.compare("tls/requests", servers, origin, load, CONNECTIONS)
        columns = ["connections", "proxy", "CPU µs per request", "user", "system", "× blind", "× HAProxy", "× nginx"]
        markdown(
            "TLS 1.3 (ECDSA P-256): keep-alive requests", columns, cpu_table(bench, found, CONNECTIONS),
            ["Spillway agrees on AES-128-GCM, the others, with OpenSSL's order, on AES-256-GCM."],
        )
        bench.mark_ratios(found, "CPU per TLS request", REQUEST_MARKS)
        rows = []
        for kind in ("full", "resumed"):
            rows += bench_handshakes(bench, origin, servers, kind)
        columns = ["handshake", "proxy", "CPU µs per connection", "user", "system", "per CPU second"]
        columns += ["× blind", "× HAProxy", "× nginx"]
        markdown("TLS 1.3 (ECDSA P-256): new connections, one request each", columns, rows)
    bench_memory(bench)


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

    found = bench.compare(f"tls/{kind}", servers, origin, load)
    bench.mark_ratios(found, f"CPU per connection with a {kind} handshake", HANDSHAKE_MARKS)
    return cpu_table(bench, found, kind, per_second=True)


def bench_memory(bench):
    connections = functools.partial(IdleConnections, encrypted=True)
    title = f"TLS 1.3: {IDLE_CONNECTIONS:,} idle connections"
    each = bench_idle(bench, "tls/memory", TLS_KINDS, connections, 200, IDLE_CONNECTIONS, title)
    if each is not None:
        bench.mark("KiB per idle TLS connection", each, IDLE_MARK_KIB)
