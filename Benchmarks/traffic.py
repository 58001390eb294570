"""What traffic costs each contender: a request, a new connection, an idle connection."""

from bench import cpu_table, markdown, say
from contenders import BUILD, KINDS
from idle import IdleConnections, bench_idle
from measure import new_connections, requests_by_wrk

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
            load = lambda server, seconds: requests_by_wrk(server.port, connections, seconds, bench.load_core)
            found = bench.compare(f"requests/{connections}", servers, origin, load, connections)
            rows += cpu_table(bench, found, connections)
            if connections == MARK_CONNECTIONS:
                bench.mark_ratios(found, f"CPU per request at {connections} connections", REQUEST_MARKS)
    columns = ["connections", "proxy", "CPU µs per request", "user", "system", "× blind", "× HAProxy", "× nginx"]
    markdown("Keep-alive requests (GET, five fields, 100-byte answer)", columns, rows)


def bench_connections(bench):
    with bench.everyone() as (origin, servers):
        say("new connections, 64 at a time")
        load = lambda server, seconds: new_connections(BUILD / "connect", server.port, 64, seconds, bench.load_core)
        found = bench.compare("connections", servers, origin, load)
    columns = ["at once", "proxy", "CPU µs per connection", "user", "system", "per CPU second"]
    columns += ["× blind", "× HAProxy", "× nginx"]
    note = "One request each. The blind proxy opens an upstream connection for each; the others reuse theirs."
    markdown("New connections", columns, cpu_table(bench, found, 64, per_second=True), [note])


def bench_memory(bench):
    note = "Memory of the process (Pss), beyond the kernel's; each connection has had one request, and says nothing."
    title = f"Idle keep-alive connections: {IDLE_CONNECTIONS:,} of them"
    each = bench_idle(bench, "memory", KINDS, IdleConnections, 500, IDLE_CONNECTIONS, title, [note])
    if each is not None:
        bench.mark("KiB per idle connection", each, IDLE_MARK_KIB)
