"""What a request costs in heap allocations, locks and reference counts, once everything is warm."""

import sys
import time
from pathlib import Path

import contenders
from bench import markdown, say
from contenders import BUILD
from measure import Failed, requests_by_wrk

CONNECTIONS = 64
HEAP_COUNTS = ["heap allocations", "heap releases", "locks taken", "bytes asked for", "retains", "releases of objects"]


def bench_heap(bench):
    """Counts heap and lock calls per request: the slope between a short and a long run, less what idleness costs."""
    if "spillway" not in bench.names:
        return say("heap: spillway is needed")
    contenders.build("heap.so")
    counts_file = bench.directory / "heap-counts"

    def counts():
        raw = counts_file.read_bytes()
        return [int.from_bytes(raw[at : at + 8], sys.byteorder) for at in range(0, len(raw), 8)]

    def during(action):
        before, start = counts(), time.monotonic()
        result = action()
        return result, [after - b for after, b in zip(counts(), before)], time.monotonic() - start

    def load(seconds):
        return requests_by_wrk(server.port, CONNECTIONS, seconds, bench.load_core)

    say("heap and lock calls")
    try:
        with bench.origin() as origin:
            server = bench.server("spillway", origin, "-heap")
            server.environment |= {"LD_PRELOAD": str(BUILD / "heap.so"), "SPILLWAY_HEAP_COUNTS": str(counts_file)}
            with server:
                load(2)
                _, idle, idle_seconds = during(lambda: time.sleep(3))
                short_requests, short, short_seconds = during(lambda: load(1))
                long_requests, long, long_seconds = during(lambda: load(4))
                shared_runtime = "libswiftCore" in Path(f"/proc/{server.process.pid}/maps").read_text()
    except Failed as failure:
        return bench.fail("heap", failure)
    names = HEAP_COUNTS if shared_runtime else HEAP_COUNTS[:4]
    rows = []
    for at, name in enumerate(names):
        background = idle[at] / idle_seconds
        more = long[at] - short[at] - background * (long_seconds - short_seconds)
        each = more / (long_requests - short_requests)
        bench.results[f"heap/{name}"] = each
        rows.append([name, f"{each:.4f}", f"{background:.0f}"])
    notes = [] if shared_runtime else ["Retains are seen only where the Swift runtime is a shared library."]
    markdown("Steady state", ["calls", "per request", "per second when idle"], rows, notes)
