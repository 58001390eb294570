#!/usr/bin/env python3
"""A clean client on a connection of its own, while something else is done to the proxy; and the proxy's memory.

    witness.py HOST:PORT PID[,PID…]      one GET every 5 ms, until standard input ends

Prints, as JSON: the latencies in seconds, each counted from the moment the request was due; how many requests had no
answer; and how many bytes of memory the processes had at the beginning, and at most.
"""

import json
import os
import select
import sys
import time

import frames
from connection import Connection, Target

INTERVAL_SECONDS = 0.005
MEMORY_INTERVAL_SECONDS = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


def memory(pids):
    """Resident bytes of the processes, without what they share with files."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm") as file:
                resident, shared = [int(number) for number in file.read().split()[1:3]]
                total += (resident - shared) * PAGE
        except OSError:
            pass
    return total


class Witness:
    def __init__(self, target, pids):
        self.target, self.pids = target, pids
        self.block = target.request()
        self.latencies, self.lost = [], 0
        self.first_memory = self.most_memory = memory(pids)
        self.connection = None
        self.begin()

    def begin(self):
        """Another connection; what waits on the last one is lost."""
        if self.connection:
            self.lost += len(self.due)
            self.connection.socket.close()
        self.due, self.stream = {}, 1
        self.connection = Connection(self.target)
        if not self.connection.handshake():
            sys.exit("the witness has no connection")

    def ask(self, due):
        self.connection.send(frames.headers(self.stream, self.block))
        self.due[self.stream] = due
        self.stream += 2

    def listen(self, until):
        """Takes what has come; waits for no more than until then."""
        wait = max(0.0, until - time.monotonic())
        readable, _, _ = select.select([self.connection.socket, sys.stdin], [], [], wait)
        if self.connection.socket not in readable:
            return sys.stdin not in readable
        until = time.monotonic() + 0.0001
        while not isinstance(got := self.connection.receive(until), str):
            if got.ends_stream and got.stream in self.due:
                self.latencies.append(time.monotonic() - self.due.pop(got.stream))
            elif got.kind == frames.RST_STREAM and self.due.pop(got.stream, None):
                self.lost += 1
            elif got.kind == frames.GOAWAY:
                self.begin()
        if got != "nothing":
            self.begin()
        return sys.stdin not in readable

    def watch(self):
        due = next_look = time.monotonic()
        going = True
        while going:
            now = time.monotonic()
            while due <= now:
                self.ask(due)
                due += INTERVAL_SECONDS
            if next_look <= now:
                self.most_memory = max(self.most_memory, memory(self.pids))
                next_look = now + MEMORY_INTERVAL_SECONDS
            going = self.listen(due)
        end = time.monotonic() + self.target.patience
        while self.due and time.monotonic() < end:
            self.listen(time.monotonic() + 0.01)
        self.lost += len(self.due)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    witness = Witness(Target(host, int(port)), [int(pid) for pid in sys.argv[2].split(",")])
    print("watching", flush=True)
    witness.watch()
    told = {"latencies": witness.latencies, "lost": witness.lost}
    told |= {"first_memory": witness.first_memory, "most_memory": witness.most_memory}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
