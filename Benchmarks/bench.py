"""One run of the benchmarks: its settings, the cores it uses, rounds of measurements, and tables of them."""

import contextlib
import os
import statistics
import sys
from pathlib import Path

import contenders
from contenders import Origin
from measure import Failed, UsageMeter

# A measurement during which others used more of a core than this is repeated, up to so many times in all.
QUIET_SHARE = 0.05
TRIES = 3


def say(text):
    print(text, file=sys.stderr, flush=True)


def median_and_spread(values):
    """Median, and the median distance from it."""
    middle = statistics.median(values)
    return middle, statistics.median(abs(value - middle) for value in values)


class Bench:
    """The settings of one run, the cores it uses, and what it found."""

    def __init__(self, options, directory):
        self.options = options
        self.directory = Path(directory)
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core, self.load_core = cores[-1], cores[0]
        os.sched_setaffinity(0, {self.load_core})
        self.names = [name for name in options.contenders if self.is_there(name)]
        self.results = {}
        self.failures = []
        self.marks = []
        self.foreign = []

    def is_there(self, name):
        reason = contenders.missing(name)
        if reason:
            say(f"{name} is left out: {reason}")
        return reason is None

    def origin(self, kind=Origin):
        return kind(self.directory / kind.program, self.load_core)

    def server(self, name, origin, label="", kinds=contenders.KINDS):
        return kinds[name](name, self.directory / (name + label), self.proxy_core, origin.port)

    def fail(self, name, failure):
        text = f"{name}: " + str(failure).replace("\n", "\n    ")
        if text not in self.failures:
            self.failures.append(text)
        say(f"FAILED {name}: {failure}")

    @contextlib.contextmanager
    def everyone(self, kinds=contenders.KINDS, origin=Origin):
        """The origin and all contenders that start, running."""
        with self.origin(origin) as origin, contextlib.ExitStack() as running:
            servers = []
            for name in self.names:
                if name not in kinds:
                    continue
                try:
                    servers.append(running.enter_context(self.server(name, origin, kinds=kinds)))
                except Failed as failure:
                    self.fail(name, failure)
            yield origin, servers
            for server in [origin] + servers:
                if (status := server.process.poll()) is not None:
                    self.fail(server.name, f"ended with status {status} while it was measured\n{server.log_tail()}")

    def mark(self, text, value, limit, unit=""):
        self.marks.append({"mark": text, "value": value, "limit": limit, "unit": unit, "passed": value <= limit})

    def warm(self, servers, load):
        """Loads every server once, unmeasured. One that cannot bear it takes no further part."""
        for server in list(servers):
            try:
                load(server)
            except Failed as failure:
                self.fail(server.name, f"{failure}\n{server.log_tail()}")
                servers.remove(server)

    def rounds(self, servers, measure):
        """Measures every server once a round, in rotating order. Returns name → list of measurements."""
        found = {server.name: [] for server in servers}
        for turn in range(self.options.rounds):
            at = turn % len(servers)
            for server in servers[at:] + servers[:at]:
                try:
                    found[server.name].append(measure(server))
                except Failed as failure:
                    self.fail(server.name, failure)
            say(f"  round {turn + 1} of {self.options.rounds}")
        return {name: values for name, values in found.items() if values}

    def metered(self, server, origin, action):
        """CPU time the server uses for each of the things `action` returns the number of. Measured again, a few times
        at most, when others used the cores: they change how much work a proxy finds at each turn, and so its cost."""
        for _ in range(TRIES):
            meter = UsageMeter(server.pids(), self.proxy_core, origin.pids(), self.load_core)
            number = action()
            usage = meter.read()
            if usage.foreign_share <= QUIET_SHARE:
                break
        self.foreign.append(usage.foreign_share)
        cpu = usage.nanoseconds / 1_000 / number
        return {"cpu_us": cpu, "user_us": cpu * usage.user_share, "system_us": cpu * (1 - usage.user_share)}

    def compare(self, key, servers, origin, load, requests_at_once=None):
        """CPU time of every server for each of the things that `load(server, seconds)` returns the number of. If they
        are requests, so many at a time, it is the origin's number that counts, and the load's must agree with it."""
        self.warm(servers, lambda server: load(server, 1))
        if requests_at_once:
            measure = per_request(self, origin, requests_at_once, load)
        else:
            measure = lambda server: self.metered(server, origin, lambda: load(server, self.options.seconds))
        self.results[key] = found = self.rounds(servers, measure)
        return found

    def mark_ratios(self, found, what, limits):
        """Marks of Spillway's CPU time: name of another → at most so many times the other's."""
        for other, limit in limits.items():
            ratio = self.ratio(found, "spillway", other)
            if ratio is not None:
                self.mark(f"{what}, × {other}", ratio, limit)

    def ratio(self, found, name, other):
        """Median of the rounds' own ratios: both sides of each were measured within seconds of each other."""
        if name == other or name not in found or other not in found:
            return None
        pairs = zip(found[name], found[other])
        return statistics.median(mine["cpu_us"] / theirs["cpu_us"] for mine, theirs in pairs)


def per_request(bench, origin, at_once, load):
    """A measurement of CPU time per proxied request, void unless the origin saw every request `load` counted."""

    def measure(server):
        def served_under_load():
            before = origin.served()
            counted = load(server, bench.options.seconds)
            served = origin.served() - before
            # What is in flight when the load ends is not counted by it.
            if not counted <= served <= counted + at_once + 10:
                raise Failed(f"{counted} answers were counted, and {served} requests by the origin")
            return served

        return bench.metered(server, origin, served_under_load)

    return measure


def cpu_table(bench, found, first_column, per_second=False, others=("blind", "haproxy", "nginx")):
    """Rows of one CPU comparison; `first_column` says of what."""
    rows = []
    for name in bench.names:
        if name not in found:
            continue
        middle, spread = median_and_spread([value["cpu_us"] for value in found[name]])
        user = statistics.median(value["user_us"] for value in found[name])
        system = statistics.median(value["system_us"] for value in found[name])
        row = [first_column, name, f"{middle:.2f} ± {spread:.2f}", f"{user:.2f}", f"{system:.2f}"]
        if per_second:
            row.append(f"{1_000_000 / middle:,.0f}")
        for other in others:
            ratio = bench.ratio(found, name, other)
            row.append("" if ratio is None else f"{ratio:.2f}")
        rows.append(row)
    return rows


def markdown(title, columns, rows, notes=()):
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    for note in notes:
        print(f"\n{note}")
    sys.stdout.flush()
