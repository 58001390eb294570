"""The processes of a test: the regions' backends, and the load. Each is started here and ended by its own id."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from apart import Disk, Network
from certificate import make_certificate
from failed import Failed

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BUILD = REPOSITORY / ".build" / "faults"

REGIONS = ["r1", "r2", "r3"]
SERVICES = [f"svc{number}" for number in range(5)]
ENDPOINTS = 2


def build_load():
    parts, program = sorted((HERE / "load").iterdir()), BUILD / "load"
    if not shutil.which("gcc"):
        raise Failed("gcc is missing: deploy/install-dependencies")
    if not program.exists() or program.stat().st_mtime < max(part.stat().st_mtime for part in parts):
        BUILD.mkdir(parents=True, exist_ok=True)
        sources = [part for part in parts if part.suffix == ".c"]
        command = ["gcc", "-O2", "-Wall", "-Wextra", "-o", program, *sources, "-lssl", "-lcrypto", "-lnghttp2"]
        if subprocess.run(command).returncode != 0:
            raise Failed("the load program did not build: deploy/install-dependencies")


class Ports:
    """Free ports below those the system gives to outgoing connections: a backend that goes away for a while, or a
    process that is killed, can have its port again."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.given = set()

    def next(self):
        for _ in range(1_000):
            port = self.random.randrange(12_000, 32_000)
            if port in self.given:
                continue
            with socket.socket() as probe:
                try:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            self.given.add(port)
            return port
        raise Failed("no free port")


def cpu_seconds(process):
    """CPU time a process of ours has used so far."""
    try:
        return time.clock_gettime((~process.pid << 3) | 2)
    except OSError:
        return 0.0


class Region:
    """The process that plays a region's endpoints."""

    def __init__(self, name, ports, directory, seed, host="127.0.0.1", certificate=None):
        self.name = name
        self.host = host
        self.certificate = certificate
        self.directory = Path(directory)
        self.executed_file = self.directory / f"executed-{name}.txt"
        self.seed = seed
        self.endpoints = [
            {"service": service, "name": f"{service}-{number}", "port": ports.next()}
            for service in SERVICES
            for number in range(ENDPOINTS)
        ]
        self.process = None

    def addresses(self, service):
        return [f"{self.host}:{e['port']}" for e in self.endpoints if e["service"] == service]

    def start(self):
        configuration = {
            "region": self.name,
            "host": self.host,
            "seed": self.seed,
            "executed": str(self.executed_file),
            "certificate": self.certificate and [str(file) for file in self.certificate],
            "endpoints": self.endpoints,
        }
        with open(self.directory / f"backends-{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "backends.py", json.dumps(configuration)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        if json.loads(self.process.stdout.readline() or "{}") != {"ready": self.name}:
            raise Failed(f"the backends of {self.name} did not start; see {log.name}")

    def tell(self, command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Failed(f"the backends of {self.name} ended by themselves")
        return json.loads(line)

    def mode(self, mode, **settings):
        self.tell({"mode": mode} | settings)

    def capacity(self, requests_per_second, **rise):
        self.tell({"capacity": requests_per_second} | rise)

    def busiest(self):
        """The most requests taken within any second, since the capacity was set."""
        return self.tell({"busiest": True})["busiest"]

    def freeze(self):
        """Stops the process; the kernel goes on accepting connections for it."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.thaw()
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.kill()

    def executed(self):
        """Ids of the POSTs that were executed here, one for each time."""
        if not self.executed_file.exists():
            return []
        return [line.split(" ")[0] for line in self.executed_file.read_text().splitlines()]


class Load:
    """The open-loop load program."""

    def __init__(self, directory, port, seconds, scenario, network=None):
        self.records_file = Path(directory) / "records.tsv"
        self.seconds = seconds
        self.command = [BUILD / "load", "-p", port, "-r", scenario.rate, "-d", seconds, "-o", self.records_file]
        self.command += ["-m", scenario.method, "-s", len(SERVICES)]
        self.command += ["-q", scenario.query, "-z", scenario.body_bytes, "-c", scenario.connections]
        if network:
            self.command = network.command(self.command)
        self.process = None
        self.start_ns = None
        self.cpu_seconds = 0.0

    def start(self):
        self.process = subprocess.Popen([str(word) for word in self.command], stdout=subprocess.PIPE)
        words = self.process.stdout.readline().split()
        if len(words) != 2:
            raise Failed("the load did not start")
        self.start_ns = int(words[1])

    def sleep_until(self, seconds):
        """Waits until this many seconds after the load's start."""
        time.sleep(max(0.0, (self.start_ns - time.monotonic_ns()) / 1e9 + seconds))

    def elapsed(self):
        return (time.monotonic_ns() - self.start_ns) / 1e9

    def wait(self):
        """Until the last request has its outcome; what takes longer than the load's own time-out is our mistake."""
        left = self.seconds - self.elapsed() + 15
        try:
            status = self.process.wait(left)
        except subprocess.TimeoutExpired:
            raise Failed("the load did not end") from None
        if status != 0:
            raise Failed(f"the load ended with status {status}")
        with self.process.stdout as output:
            self.cpu_seconds = float(output.readline().split()[1])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class World:
    """Three regions and a proxy in front of them, in a directory of their own; the proxy on a network of its own, or
    its state on a disk of `disk_bytes`, if the scenario wants it."""

    def __init__(self, make_proxy, directory, seed, own_network=False, disk_bytes=None, **table):
        self.directory = Path(directory)
        self.network = Network() if own_network else None
        self.disk = Disk(self.directory / "state", disk_bytes) if disk_bytes else None
        host = self.network.outside if self.network else "127.0.0.1"
        ports = Ports(seed)
        certificate = make_certificate(self.directory) if table.get("endpoints_encrypted") else None
        self.regions = {
            name: Region(name, ports, directory, seed + at, host, certificate) for at, name in enumerate(REGIONS)
        }
        self.proxy = make_proxy(self.directory, ports, self.regions, **table)
        self.proxy.network = self.network
        self.ends = contextlib.ExitStack()

    @property
    def first(self):
        return self.regions[REGIONS[0]]

    def __enter__(self):
        with contextlib.ExitStack() as ends:
            for part in filter(None, [self.network, self.disk]):
                ends.enter_context(part)
            for part in [*self.regions.values(), self.proxy]:
                ends.callback(part.stop)
                part.start()
            self.ends = ends.pop_all()
        return self

    def __exit__(self, *_):
        self.ends.close()

    def cpu_seconds(self, load):
        """CPU time used by each part so far, once the load has ended."""
        backends = sum(cpu_seconds(region.process) for region in self.regions.values())
        return {"proxy": self.proxy.cpu_seconds(), "backends": backends, "load": load.cpu_seconds}

    def executed(self):
        return [request for region in self.regions.values() for request in region.executed()]
