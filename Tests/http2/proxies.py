"""The proxies that the tests are run against: those of the benchmarks, Spillway as built among them, and nghttpx. Each
listens for HTTP/2, plain or with TLS, before one HTTP/1.1 origin. All are told to have patience for a few seconds only,
so that a test of patience need not last minutes."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(1, str(HERE.parent.parent / "Benchmarks"))

import contenders
from measure import Failed

PATIENCE_SECONDS = 3
PATIENCE = f"{PATIENCE_SECONDS}s"


class Origin:
    """Tests/http2/origin.py as a process."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "origin.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class FastOrigin(contenders.Origin):
    """Answers at once, whatever is done to the proxy, but reads no bodies."""

    def __init__(self, directory):
        contenders.build(self.program)
        super().__init__(directory, None)


class Proxy:
    """A contender as the tests have it."""

    # Tells how many clients it has refused or ended, if it does.
    count = None
    alpn = "h2"
    # Where requests for /hostile go, in HTTP/2.
    hostile_port = None
    patience = head_patience = PATIENCE

    def __init__(self, directory, origin_port, tls=False):
        super().__init__(self.name, directory / self.name, None, origin_port)
        if tls:
            self.scheme = "https"
            contenders.make_certificate(directory)

    def missing(self):
        return contenders.missing(self.name)

    def start(self):
        if reason := self.missing():
            raise Failed(f"{self.name}: {reason}")
        super().start()
        # Probes have their first round now.
        time.sleep(0.5)

    def serves(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Spillway(Proxy, contenders.Spillway):
    """Limits as by default, but for patience."""

    name = "spillway"

    def table(self):
        table = super().table()
        table["listeners"]["web"]["timeouts"] = {"head": PATIENCE, "idle": PATIENCE, "body": PATIENCE}
        table["services"]["s"]["probe"] = "none"
        if self.hostile_port:
            endpoints = {"r1": [f"127.0.0.1:{self.hostile_port}"]}
            table["services"]["hostile"] = {
                "prefer": ["r1"], "endpoints": endpoints, "protocol": "http2", "probe": "none", "retry": {"attempts": 0}
            }
            table["routes"].insert(0, {"match": {"path": "/hostile"}, "to": "hostile"})
        return table

    def count(self):
        """Of all refusals and ends."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        told = ("spillway_listener_abuses_total", "spillway_listener_refused_total")
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(told))


class HAProxy(Proxy, contenders.HAProxy):
    name = "haproxy"


class Nginx(Proxy, contenders.Nginx):
    name = "nginx"


class Nghttpx(Proxy, contenders.Contender):
    name = "nghttpx"

    def missing(self):
        return None if shutil.which(self.name) else "not installed: apt-get install nghttp2-proxy"

    def command(self):
        frontend = f"--frontend=127.0.0.1,{self.port}{'' if self.is_encrypted else ';no-tls'}"
        command = ["nghttpx", "--conf=/dev/null", frontend, f"--backend=127.0.0.1,{self.origin_port}", "--workers=1"]
        command += ["--log-level=ERROR", "--no-ocsp", "--backend-connections-per-host=256"]
        for patience in ("http2-read", "read", "write", "http2-settings"):
            command.append(f"--frontend-{patience}-timeout={PATIENCE}")
        command += [f"--stream-read-timeout={PATIENCE}", f"--stream-write-timeout={PATIENCE}"]
        return command + ([self.certificate, self.certificate] if self.is_encrypted else [])


class Envoy(Proxy, contenders.Envoy):
    name = "envoy"
    client_options = {
        "request_headers_timeout": PATIENCE,
        "stream_idle_timeout": PATIENCE,
        "common_http_protocol_options": {"idle_timeout": PATIENCE},
    }


KINDS = {kind.name: kind for kind in (Spillway, HAProxy, Nginx, Nghttpx, Envoy)}
