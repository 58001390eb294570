"""Spillway as a process, with a table that a test gives it."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request

from measure import Failed, free_port


class Router:
    """One listener, `port`, and more if need be; `routes` lead to `services`, all as a table has them."""

    def __init__(
        self, directory, binary, services, routes, listener=None, drain=5, regions=("r1", "r2"), listeners=None
    ):
        self.directory, self.binary, self.drain = directory, binary, drain
        self.services, self.routes, self.regions = services, routes, regions
        self.listener, self.listeners = listener or {}, listeners or {}
        self.port, self.admin_port = free_port(), free_port()
        self.log = directory / f"spillway-{self.port}.log"
        self.process = None

    def table(self):
        web = {"bind": f"127.0.0.1:{self.port}", "protocol": "http"} | self.listener
        return {
            "listeners": {"web": web} | self.listeners,
            "regions": {region: {} for region in self.regions},
            "services": self.services,
            "routes": self.routes,
        }

    def write_table(self):
        """Replaces the table in one step, so that nobody reads half of it."""
        routes = self.directory / f"routes-{self.port}"
        routes.mkdir(exist_ok=True)
        fresh = self.directory / f"fresh-{self.port}.json"
        fresh.write_text(json.dumps(self.table(), indent=1))
        fresh.replace(routes / "table.json")
        return routes

    def __enter__(self):
        state = self.directory / f"state-{self.port}"
        state.mkdir(exist_ok=True)
        command = [self.binary, "run", self.write_table(), "--workers", "2", "--state", state]
        command += ["--admin", f"127.0.0.1:{self.admin_port}", "--drain", self.drain]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.wait_until_ready()
        except Failed:
            self.__exit__()
            raise
        return self

    def wait_until_ready(self, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.check_alive()
            try:
                if self.admin("/ready") is not None:
                    return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"spillway is not ready:\n{self.log_tail()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(self.drain + 5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def check_alive(self):
        if (status := self.process.poll()) is not None:
            raise Failed(f"spillway ended with status {status}:\n{self.log_tail()}")

    def admin(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2) as answer:
            return answer.read().decode()

    def order(self, order, **more):
        """Gives an operator's order."""
        body = json.dumps({"order": order} | more).encode()
        address = f"http://127.0.0.1:{self.admin_port}/api/v1/orders"
        asked = urllib.request.Request(address, body, {"content-type": "application/json"})
        urllib.request.urlopen(asked, timeout=2).close()

    def reload(self):
        self.write_table()
        self.process.send_signal(signal.SIGHUP)

    def metric(self, name, **labels):
        """The sum of a metric's values over those with these labels."""
        total = 0.0
        for line in self.admin("/metrics").splitlines():
            if line.startswith((f"{name} ", f"{name}{{")) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def dial(self, port=None, source="127.0.0.1"):
        there = ("127.0.0.1", port or self.port)
        connected = socket.create_connection(there, timeout=10, source_address=(source, 0))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def curl(self, *arguments):
        """What curl prints, as bytes."""
        command = ["curl", "--silent", "--show-error", "--max-time", "30", *arguments]
        run = subprocess.run(command, capture_output=True, env=os.environ | {"NO_PROXY": "*"})
        if run.returncode != 0:
            raise AssertionError(f"curl ended with {run.returncode}: {run.stderr.decode()}")
        return run.stdout


def service(*endpoints, **settings):
    """A service that prefers the regions in the order of its endpoints: a port each, or a list of ports."""
    lists = [endpoint if isinstance(endpoint, list) else [endpoint] for endpoint in endpoints]
    regions = [f"r{number}" for number in range(1, len(lists) + 1)]
    addresses = {region: [f"127.0.0.1:{port}" for port in ports] for region, ports in zip(regions, lists)}
    # Declared, so that none is learned: calls that wait on purpose look like overload to whoever does not know better.
    capacity = {region: 100_000 for region in regions}
    return {"prefer": regions, "endpoints": addresses, "capacity": capacity, "probe": "none"} | settings


def route(path, to):
    return {"match": {"path": path}, "to": to}
