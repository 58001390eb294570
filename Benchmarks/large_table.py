"""What a table of 10,000 routes and 10,000 endpoints costs: to match a request, and to reload."""

import contextlib
import http.client
import signal
import statistics
import time

from bench import markdown, median_and_spread, say
from contenders import Spillway
from measure import Failed, cpu_nanoseconds, memory_kib, requests_by_wrk

TABLE_SIZE = 10_000
CONNECTIONS = 64


def table_of(table, origin_port, routes, generation):
    """Extends a table to this many routes and endpoints, ten endpoints a service. The hosts and paths that the load
    names lead to one service; `/generation` is answered with the generation."""
    table["routes"] = [
        {"match": {"path": {"exact": "/generation"}}, "respond": {"status": 200, "body": str(generation)}}
    ]
    if routes == 1:
        table["routes"].append({"match": {"listener": "web"}, "to": "s"})
        return table
    for number in range(routes // 10):
        first = number * 10
        addresses = [f"127.{1 + n // 50_000}.{n // 250 % 200}.{1 + n % 250}" for n in range(first, first + 10)]
        table["services"][f"c{number}"] = {
            "prefer": ["r1"],
            "endpoints": {"r1": [f"{address}:{origin_port}" for address in addresses]},
        }
    for number in range(routes):
        host, path = f"h{number // 10}.example.com", f"/p{number % 10}"
        to = "s" if number % 10 == 3 else f"c{number // 10}"
        table["routes"].append({"match": {"host": host, "path": path}, "to": to})
    table["routes"].append({"match": {"listener": "web"}, "to": "s"})
    return table


class TableServer(Spillway):
    """Spillway with a table of a given size."""

    def __init__(self, name, directory, core, origin_port, routes):
        super().__init__(name, directory, core, origin_port)
        self.routes = routes

    def table(self, generation=0):
        return table_of(super().table(), self.origin_port, self.routes, generation)


WRK_SCRIPT = """
local requests, at = {}, 0
function init(arguments)
    for number = 0, 999 do
        wrk.headers["Host"] = "h" .. number .. ".example.com"
        requests[number] = wrk.format("GET", "/p3/item?of=" .. number)
    end
end
function request()
    at = (at + 1) % 1000
    return requests[at]
end
"""


def reload_once(server, generation):
    """Replaces the table and sends SIGHUP. Returns (seconds until a request meets the new table, CPU seconds)."""
    table = server.table(generation)
    pids = server.pids()
    cpu = cpu_nanoseconds(pids)
    server.write_table(table)
    start = time.monotonic()
    server.process.send_signal(signal.SIGHUP)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    while time.monotonic() < start + 60:
        connection.request("GET", "/generation")
        if connection.getresponse().read() == str(generation).encode():
            return time.monotonic() - start, (cpu_nanoseconds(pids) - cpu) / 1e9
        time.sleep(0.002)
    raise Failed("the new table was not in force after 60 s")


def bench_routes(bench):
    if "spillway" not in bench.names:
        return say("routes: spillway is needed")
    script = bench.directory / "hosts.lua"
    script.write_text(WRK_SCRIPT)
    try:
        with bench.origin() as origin, contextlib.ExitStack() as running:
            servers = []
            for routes in (1, TABLE_SIZE):
                directory = bench.directory / f"routes-{routes}"
                name = f"{routes:,} {'route' if routes == 1 else 'routes'}"
                server = TableServer(name, directory, bench.proxy_core, origin.port, routes)
                servers.append(running.enter_context(server))
            bench_match(bench, origin, servers, script)
            bench_reload(bench, servers)
    except Failed as failure:
        bench.fail("routes", failure)


def bench_match(bench, origin, servers, script):
    say("requests over 1,000 hosts, 1 and 10,000 routes")
    load = lambda server, seconds: requests_by_wrk(server.port, CONNECTIONS, seconds, bench.load_core, script)
    found = bench.compare("routes", servers, origin, load, CONNECTIONS)
    if len(found) < len(servers):
        return
    rows = []
    for server in servers:
        middle, spread = median_and_spread([value["cpu_us"] for value in found[server.name]])
        rows.append([server.name, f"{middle:.2f} ± {spread:.2f}", f"{memory_kib(server.pids()) / 1024:.1f}"])
    one, many = (found[server.name] for server in servers)
    difference = statistics.median(m["cpu_us"] - o["cpu_us"] for o, m in zip(one, many))
    note = f"Difference, round by round: {difference * 1000:+.0f} ns a request."
    markdown("Large table: requests", ["table", "CPU µs per request", "MiB"], rows, [note])


def bench_reload(bench, servers):
    say("reloads")
    rows = []
    for server in servers:
        times = [reload_once(server, generation) for generation in range(1, bench.options.rounds + 1)]
        bench.results[f"reload/{server.name}"] = times
        wall, wall_spread = median_and_spread([seconds * 1000 for seconds, _ in times])
        cpu, cpu_spread = median_and_spread([seconds * 1000 for _, seconds in times])
        rows.append([server.name, f"{wall:.1f} ± {wall_spread:.1f}", f"{cpu:.1f} ± {cpu_spread:.1f}"])
    columns = ["table", "ms from SIGHUP until requests meet the new table", "CPU ms"]
    markdown("Reload", columns, rows, ["Wall-clock time, on one core, with nothing else to do."])
