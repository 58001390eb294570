"""What traffic costs each contender: a request, a new connection, an idle connection."""

import contextlib
import time

from bench import cpu_table, markdown, per_request, say
from contenders import BUILD
from measure import Failed, IdleConnections, memory_kib, new_connections, requests_by_wrk

# Spillway's CPU time per request at 64 connections, at most this many times the other's.
REQUEST_MARKS = {"haproxy": 0.85, "nginx": 0.80, "blind": 1.10}
MARK_CONNECTIONS = 64
IDLE_MARK_KIB = 6.0

# How many idle connections are held, beyond the first 500.
IDLE_CONNECTIONS = 5_000


def bench_requests(bench):
    rows = []
    with bench.everyone() as (origin, servers):
        for connections in bench.options.connections:
            say(f"requests, {connections} keep-alive connections")
            bench.warm(servers, lambda server: requests_by_wrk(server.port, connections, 1, bench.load_core))
            found = bench.rounds(servers, per_request(bench, origin, connections, bench.options.seconds))
            bench.results[f"requests/{connections}"] = found
            rows += cpu_table(bench, found, connections)
            if connections == MARK_CONNECTIONS:
                for other, limit in REQUEST_MARKS.items():
                    ratio = bench.ratio(found, "spillway", other)
                    if ratio is not None:
                        bench.mark(f"CPU per request at {connections} connections, × {other}", ratio, limit)
    columns = ["connections", "proxy", "CPU µs per request", "user", "system", "× blind", "× HAProxy", "× nginx"]
    markdown("Keep-alive requests (GET, five fields, 100-byte answer)", columns, rows)


def bench_connections(bench):
    def load(server, seconds):
        return new_connections(BUILD / "connect", server.port, 64, seconds, bench.load_core)

    with bench.everyone() as (origin, servers):
        say("new connections, 64 at a time")
        bench.warm(servers, lambda server: load(server, 0.5))
        measure = lambda server: bench.metered(server, origin, lambda: load(server, bench.options.seconds))
        found = bench.rounds(servers, measure)
    bench.results["connections"] = found
    columns = ["at once", "proxy", "CPU µs per connection", "user", "system", "per CPU second"]
    columns += ["× blind", "× HAProxy", "× nginx"]
    note = "One request each. The blind proxy opens an upstream connection for each; the others reuse theirs."
    markdown("New connections", columns, cpu_table(bench, found, 64, per_second=True), [note])


def idle_memory(bench, name):
    """Memory with 500 idle connections, and with many more."""
    with contextlib.ExitStack() as running:
        origin = running.enter_context(bench.origin())
        server = running.enter_context(bench.server(name, origin, "-memory"))
        idle = running.enter_context(contextlib.closing(IdleConnections(server.port)))
        idle.open(500)
        time.sleep(bench.options.settle)
        before = memory_kib(server.pids())
        idle.open(IDLE_CONNECTIONS)
        time.sleep(bench.options.settle)
        after = memory_kib(server.pids())
        if not idle.still_open():
            raise Failed("idle connections were closed")
        return before, after, (after - before) / IDLE_CONNECTIONS


def bench_memory(bench):
    rows = []
    for name in bench.names:
        say(f"memory of idle connections: {name}")
        try:
            before, after, each = idle_memory(bench, name)
        except Failed as failure:
            bench.fail(name, failure)
            continue
        bench.results[f"memory/{name}"] = {"before_kib": before, "after_kib": after, "each_kib": each}
        rows.append([name, f"{before / 1024:.1f}", f"{after / 1024:.1f}", f"{each:.2f}"])
        if name == "spillway":
            bench.mark("KiB per idle connection", each, IDLE_MARK_KIB)
    columns = ["proxy", "MiB with 500", f"MiB with {500 + IDLE_CONNECTIONS:,}", "KiB per connection"]
    note = "Memory of the process (Pss), beyond the kernel's; each connection has had one request, and says nothing."
    markdown(f"Idle keep-alive connections: {IDLE_CONNECTIONS:,} of them", columns, rows, [note])
