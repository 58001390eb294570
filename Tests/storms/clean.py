#!/usr/bin/env python3
"""Clean clients beside a storm: of each kind one that keeps its connection and one that makes a new one each time.

    clean.py KIND…      kinds as JSON; each client asks every 50 ms, until standard input ends

Prints, as JSON by kind: the latencies in seconds, each counted from the moment the request was due, and what went wrong.
"""

import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "http2"))

from kinds import BODY_BYTES, Kind, Wrong

INTERVAL_SECONDS = 0.05


class Client(threading.Thread):
    def __init__(self, kind, keeps, over):
        super().__init__()
        self.kind, self.keeps, self.over = kind, keeps, over
        self.connected = None
        self.latencies, self.problems = [], []
        self.answered = threading.Event()

    def ask(self):
        try:
            self.connected = self.connected or self.kind.visit()
            body = self.connected.get()
            if len(body) != BODY_BYTES:
                raise Wrong(f"{len(body)} bytes instead of {BODY_BYTES}")
        except (OSError, Wrong) as problem:
            self.problems.append(f"{'kept' if self.keeps else 'new'}: {problem or type(problem).__name__}")
            self.leave()
        if not self.keeps:
            self.leave()

    def leave(self):
        if self.connected:
            self.connected.close()
        self.connected = None

    def run(self):
        due = time.monotonic()
        while not self.over.is_set():
            self.ask()
            self.latencies.append(time.monotonic() - due)
            self.answered.set()
            due += INTERVAL_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
        self.leave()


def main():
    over = threading.Event()
    kinds = [Kind(**json.loads(text)) for text in sys.argv[1:]]
    clients = [Client(kind, keeps, over) for kind in kinds for keeps in (True, False)]
    for client in clients:
        client.start()
    for client in clients:
        client.answered.wait()
    print("watching", flush=True)
    sys.stdin.read()
    over.set()
    told = {kind.name: {"latencies": [], "problems": []} for kind in kinds}
    for client in clients:
        client.join()
        told[client.kind.name]["latencies"] += client.latencies
        told[client.kind.name]["problems"] += client.problems
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
