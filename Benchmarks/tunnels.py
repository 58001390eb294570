"""What it costs to pass connections on as they come: large answers by the gigabyte, small messages one by one."""

from bench import cpu_table, markdown, median_and_spread, say
from contenders import TUNNEL_KINDS
from measure import requests_by_wrk

# Spillway's CPU time, at most this many times the other's.
BULK_MARKS = {"blind": 1.10, "haproxy": 0.60}
MESSAGE_MARKS = {"blind": 1.10}

BULK_BYTES = 1_000_000
BULK_CONNECTIONS = 16
MESSAGE_CONNECTIONS = 64
# Of 100 bytes together with what wrk puts before it, as the answer has.
MESSAGE_FIELDS = ["X: " + "x" * 49]


def bench_tunnels(bench):
    with bench.everyone(TUNNEL_KINDS) as (origin, servers):
        say(f"tunnels, answers of {BULK_BYTES:,} bytes")
        bulk = {"path": f"/bytes/{BULK_BYTES}", "fields": []}
        load = lambda server, seconds: requests_by_wrk(server.port, BULK_CONNECTIONS, seconds, bench.load_core, **bulk)
        found = bench.compare("tunnels/bulk", servers, origin, load, BULK_CONNECTIONS)
        print_bulk(bench, found)

        say(f"tunnels, messages of 100 bytes, {MESSAGE_CONNECTIONS} connections")
        load = lambda server, seconds: requests_by_wrk(
            server.port, MESSAGE_CONNECTIONS, seconds, bench.load_core, fields=MESSAGE_FIELDS
        )
        found = bench.compare("tunnels/messages", servers, origin, load, MESSAGE_CONNECTIONS)
        columns = ["connections", "proxy", "CPU µs for both ways", "user", "system", "× blind", "× HAProxy", "× nginx"]
        rows = cpu_table(bench, found, MESSAGE_CONNECTIONS)
        markdown("Tunnels: 100 bytes there and 100 bytes back", columns, rows)
        bench.mark_ratios(found, "CPU per message in tunnels", MESSAGE_MARKS)


def print_bulk(bench, found):
    """CPU microseconds for an answer of a megabyte are milliseconds for a gigabyte."""
    rows = []
    for name in found:
        middle, spread = median_and_spread([value["cpu_us"] / 1_000 for value in found[name]])
        row = [BULK_CONNECTIONS, name, f"{middle:.3f} ± {spread:.3f}"]
        for other in ("blind", "haproxy"):
            ratio = bench.ratio(found, name, other)
            row.append("" if ratio is None else f"{ratio:.2f}")
        rows.append(row)
    columns = ["connections", "proxy", "CPU s per GB", "× blind", "× HAProxy"]
    note = "The blind proxy copies with a buffer of 256 KiB, as Spillway does; HAProxy with its 16 KiB for each connection."
    markdown("Tunnels: answers of 1 MB", columns, rows, [note])
    bench.mark_ratios(found, "CPU per GB in tunnels", BULK_MARKS)
