#!/usr/bin/env python3
"""Attacks: what a client can do to a server within one HTTP/2 connection, and what each costs.

While each attack goes on, a clean client beside it asks every 5 ms. The attack must be ended, by GOAWAY or a close,
and cost less than the marks: CPU time of the server beyond what the clean client needs, growth of its memory, and the
clean client's 99th percentile.

    attacks.py HOST:PORT --pid PID                  all attacks
    attacks.py HOST:PORT --pid PID rapid-reset      this one

Exits 1 when a mark is missed. Plain connections only: TLS changes nothing of this.
"""

import argparse
import json
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import frames
from assaults import ASSAULTS
from connection import Target

HERE = Path(__file__).resolve().parent

CPU_MARK_SECONDS = 0.1
MEMORY_MARK_BYTES = 2 << 20
LATENCY_MARK_SECONDS = 0.025

CALM_SECONDS = 2.0
SETTLE_SECONDS = 0.3
AFTERMATH_SECONDS = 1.0
LAST_WORDS_SECONDS = 1.0


class Ended(Exception):
    """The server has ended the attack; says how."""


class TimeUp(Exception):
    """The attack has lasted long enough."""


class Attacker:
    """A connection whose end is noticed whatever it is doing."""

    def __init__(self, target, assault):
        self.socket = target.dial()
        self.socket.setblocking(False)
        self.reads = True
        self.greeted = False
        self.end = time.monotonic() + assault.seconds
        self.sent = 0
        self.buffer = b""
        self.poll = select.poll()
        self.windows = {0: frames.INITIAL_WINDOW_SIZE, 1: frames.INITIAL_WINDOW_SIZE} if assault.windowed else None

    def events(self, wanted, seconds):
        hung_up = select.POLLRDHUP | select.POLLHUP | select.POLLERR
        listening = select.POLLIN if self.reads else hung_up
        self.poll.register(self.socket, wanted | listening)
        left = min(seconds, self.end - time.monotonic())
        if left <= 0:
            raise TimeUp
        happened = dict(self.poll.poll(left * 1000)).get(self.socket.fileno(), 0)
        if not self.reads and happened & hung_up:
            raise Ended("closed")
        if self.reads and happened & (select.POLLIN | hung_up):
            self.read()
        return happened

    def read(self):
        """Looks through what has come for GOAWAY."""
        try:
            part = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            raise Ended("reset") from None
        if not part:
            raise Ended("closed")
        self.buffer += part
        at = 0
        while len(self.buffer) >= at + 9:
            length = int.from_bytes(self.buffer[at : at + 3], "big")
            if self.buffer[at : at + 4] == b"HTTP":
                raise Ended("HTTP/1.1 " + self.buffer[at + 9 : at + 12].decode("latin-1"))
            if len(self.buffer) < at + 9 + length:
                break
            kind, flags = self.buffer[at + 3 : at + 5]
            self.greeted |= kind == frames.SETTINGS and not flags & frames.ACK
            if kind == frames.WINDOW_UPDATE and self.windows:
                stream, increment = struct.unpack_from(">II", self.buffer, at + 5)
                self.windows[stream] += increment
            if kind == frames.GOAWAY:
                code = int.from_bytes(self.buffer[at + 13 : at + 17], "big")
                raise Ended(f"GOAWAY {frames.code_name(code)}")
            at += 9 + length
        self.buffer = self.buffer[at:]

    def greet(self, acknowledge):
        """Preface and settings both ways."""
        self.push(frames.PREFACE + frames.settings())
        while not self.greeted:
            self.events(0, 1.0)
        if acknowledge:
            self.push(frames.SETTINGS_ACK)

    def use_window(self, octets):
        """Waits until stream 1 has room for so many octets of DATA, and uses it."""
        while min(self.windows.values()) < octets:
            self.events(0, 1.0)
        self.windows = {stream: window - octets for stream, window in self.windows.items()}

    def push(self, octets):
        while octets:
            if self.events(select.POLLOUT, 1.0) & select.POLLOUT:
                try:
                    number = self.socket.send(octets)
                except BlockingIOError:
                    continue
                except OSError:
                    # What it said before it closed is in the buffer still.
                    self.last_words()
                    raise Ended("closed") from None
                octets = octets[number:]
                self.sent += number

    def last_words(self):
        try:
            while True:
                self.read()
        except BlockingIOError:
            pass

    def pause(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.events(0, left)


@dataclass
class Finding:
    ended: str | None
    seconds: float
    sent: int
    cpu_seconds: float
    memory_growth: int
    latencies: list
    lost: int
    # Whether the server says that it ended somebody; None: it does not count.
    counted: bool | None = None

    def latency(self, fraction):
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else float("inf")

    def missed(self, cheap, busy=False):
        """The marks that were missed; of a busy machine, where times say nothing, without those of time."""
        missed = [] if self.ended or cheap else ["not ended"]
        # Ended without an error: as any connection that is not used.
        unspoken = not self.ended or self.ended.endswith("NO_ERROR")
        missed += ["not counted"] if self.counted is False and not unspoken else []
        if busy:
            return missed + (["memory"] if self.memory_growth > MEMORY_MARK_BYTES else [])
        missed += ["CPU"] if self.cpu_seconds > CPU_MARK_SECONDS else []
        missed += ["memory"] if self.memory_growth > MEMORY_MARK_BYTES else []
        missed += ["clean p99"] if self.latency(0.99) > LATENCY_MARK_SECONDS else []
        return missed + (["clean requests lost"] if self.lost else [])


class Witnessed:
    """Tests/http2/witness.py while the `with` lasts; `told` is what it saw, once it is over."""

    def __init__(self, target, pids):
        where = f"{target.host}:{target.port}"
        self.command = [sys.executable, HERE / "witness.py", where, ",".join(str(pid) for pid in pids)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        return self

    def __exit__(self, *_):
        output, _ = self.process.communicate(timeout=30)
        self.told = json.loads(output or '{"latencies": [], "lost": 1, "first_memory": 0, "most_memory": 0}')


def cpu_seconds(pids):
    """CPU time of the processes so far, all threads, user and system."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:
            pass
    return total


def attack(target, assault):
    """Returns (how it was ended or None, after how many seconds, bytes sent)."""
    begun = time.monotonic()
    attacker = Attacker(target, assault)
    ended = None
    try:
        if not assault.bare:
            attacker.greet(assault.acknowledges)
        attacker.reads = assault.reads
        for act in assault.acts(target):
            if attacker.windows and act[3] == frames.DATA:
                attacker.use_window(sum(frames.lengths(act)))
            attacker.push(act) if isinstance(act, bytes) else attacker.pause(act)
    except Ended as end:
        ended = str(end)
    except TimeUp:
        if not assault.reads:
            ended = said_at_last(attacker)
    finally:
        attacker.socket.close()
    return ended, time.monotonic() - begun, attacker.sent


def said_at_last(attacker):
    """How it ended, if that is behind what was never read."""
    attacker.reads, attacker.end = True, time.monotonic() + LAST_WORDS_SECONDS
    try:
        attacker.pause(LAST_WORDS_SECONDS)
    except Ended as end:
        return str(end)
    except TimeUp:
        return None


def examine(target, pids, assault, cost_of_request, count):
    with Witnessed(target, pids) as witnessed:
        time.sleep(SETTLE_SECONDS)
        before, counted = cpu_seconds(pids), count and count()
        ended, seconds, sent = attack(target, assault)
        time.sleep(AFTERMATH_SECONDS)
        used = cpu_seconds(pids) - before
    counted = count() > counted if count else None
    told = witnessed.told
    measured = seconds + AFTERMATH_SECONDS
    clean = measured / (measured + SETTLE_SECONDS) * len(told["latencies"]) * cost_of_request
    growth = told["most_memory"] - told["first_memory"]
    return Finding(ended, seconds, sent, max(0.0, used - clean), growth, told["latencies"], told["lost"], counted)


def calm(target, pids):
    """CPU seconds a clean request costs, and the clean client's 99th percentile, while nothing else happens."""
    with Witnessed(target, pids):
        time.sleep(SETTLE_SECONDS)
    with Witnessed(target, pids) as witnessed:
        before = cpu_seconds(pids)
        time.sleep(CALM_SECONDS)
        used = cpu_seconds(pids) - before
    latencies = sorted(witnessed.told["latencies"])
    return used / max(1, len(latencies)), latencies[int(0.99 * len(latencies))] if latencies else float("inf")


COLUMNS = "{:21} {:26} {:>6} {:>9} {:>7} {:>7} {:>8} {:>8}  {}"


def run_attacks(target, pids, names=(), what="server", busy=False, count=None):
    """Returns whether every mark was kept. `count` tells how many clients the server says it has refused or ended."""
    known = {assault.name for assault in ASSAULTS}
    for name in names:
        if name not in known:
            sys.exit(f"no such attack: {name}; there are {', '.join(sorted(known))}")
    cost, p99 = calm(target, pids)
    print(f"{what}: a clean request costs {cost * 1e6:.0f} µs of CPU, its p99 is {p99 * 1000:.1f} ms\n")
    print(COLUMNS.format("attack", "ended by", "s", "sent KiB", "CPU s", "MiB", "p50 ms", "p99 ms", ""))
    kept = ended = 0
    chosen = [assault for assault in ASSAULTS if not names or assault.name in names]
    for assault in chosen:
        found = examine(target, pids, assault, cost, count)
        missed = found.missed(assault.cheap, busy)
        kept += not missed
        ended += found.ended is not None and not assault.cheap
        latencies = [f"{found.latency(fraction) * 1000:.1f}" for fraction in (0.5, 0.99)]
        row = [assault.name, found.ended or "-", f"{found.seconds:.1f}", found.sent >> 10]
        row += [f"{found.cpu_seconds:.3f}", f"{found.memory_growth / (1 << 20):.1f}", *latencies]
        print(COLUMNS.format(*row, f"MISSED: {', '.join(missed)}" if missed else ""), flush=True)
    to_end = sum(not assault.cheap for assault in chosen)
    print(f"\n{what}: {ended} of {to_end} attacks ended, {kept} of {len(chosen)} within all marks")
    return kept == len(chosen)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="HOST:PORT")
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(assault.name for assault in ASSAULTS)}")
    parser.add_argument("--pid", required=True, help="the server's process ids, comma-separated")
    return parser.parse_args()


def main():
    options = parse_options()
    host, port = options.server.rsplit(":", 1)
    pids = [int(pid) for pid in options.pid.split(",")]
    sys.exit(0 if run_attacks(Target(host, int(port)), pids, options.names, options.server) else 1)


if __name__ == "__main__":
    main()
