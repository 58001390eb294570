"""The router under the storms, what stands behind it, and what can be seen of it from outside: its gauges, its
descriptors, its memory."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass

from kinds import HOST, Kind
from proxies import Failed, FastOrigin, Origin
# proxies knows where the benchmarks are.
from contenders import make_certificate
from measure import free_port
from router import Router, route, service
from witness import memory

# How long the router waits for a head, a handshake, or a body that does not go on.
PATIENCE_SECONDS = 2
SILENT_TUNNEL_SECONDS = 4
GAUGES = (
    "spillway_listener_open_connections",
    "spillway_service_requests_in_flight",
    "spillway_service_requests_pending",
    "spillway_endpoint_requests_in_flight",
    "spillway_endpoint_open_connections",
)


def patient(**others):
    waits = {"head": f"{PATIENCE_SECONDS}s", "handshake": f"{PATIENCE_SECONDS}s", "body": f"{PATIENCE_SECONDS}s"}
    return {"timeouts": waits | others}


def stormed_service(port, **settings):
    # Unused connections are let go soon, so that it shows soon when others are not.
    timeouts = {"idle": "1s", "response": f"{SILENT_TUNNEL_SECONDS}s"}
    return service(port, timeouts=timeouts, limits={"connections": 8_000, "requests": 16_000}, **settings)


class ManyListeners(Router):
    """A router with the listeners it is given, in place of the one."""

    def __init__(self, directory, binary, listeners, services, routes):
        super().__init__(directory, binary, services, routes, regions=("r1",))
        self.listeners = listeners

    def table(self):
        return super().table() | {"listeners": self.listeners}


def bound(port, **settings):
    return {"bind": f"{HOST}:{port}"} | settings


def descriptors(pid):
    """Descriptors a process has open, but for files, as the journal is one when there is something for it. The fewest of
    some looks: the connection by which gauges were asked for closes by and by."""

    def is_file(name):
        try:
            return os.readlink(f"/proc/{pid}/fd/{name}").startswith("/")
        except OSError:
            return False

    fewest = None
    for _ in range(5):
        seen = sum(not is_file(name) for name in os.listdir(f"/proc/{pid}/fd"))
        fewest = min(seen, fewest or seen)
        time.sleep(0.01)
    return fewest


@dataclass
class Sight:
    """What is seen of the router at one time."""

    gauges: dict
    descriptors: int
    memory: int

    def above(self, calm):
        """What is higher than it was, but for memory."""
        high = [f"{name} {now:.0f}" for name, now in self.gauges.items() if now > calm.gauges[name]]
        if self.descriptors > calm.descriptors:
            high.append(f"{self.descriptors} descriptors where {calm.descriptors} were open")
        return high


class Scene(ExitStack):
    """`kinds` by name. Closed by its `with`."""

    def __init__(self, directory, binary):
        super().__init__()
        self.directory, self.binary = directory, binary

    def __enter__(self):
        super().__enter__()
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        return self

    def begin(self):
        key, certificate = (str(file) for file in make_certificate(self.directory))
        tls = {"tls": {"certificates": [{"certificate": certificate, "key": key}]}}
        fast = (FastOrigin(self.directory / name) for name in ("quick", "bulk"))
        quick, bulk, patient_origin = (self.enter_context(origin) for origin in (*fast, Origin()))
        # Behind the listener that passes TLS on stands another router, which ends it.
        inner_port = free_port()
        inner = {"inner": bound(inner_port, **tls)}
        services = {"quick": stormed_service(quick.port)}
        routes = [{"match": {"listener": "inner"}, "to": "quick"}]
        self.enter_context(ManyListeners(self.directory, self.binary, inner, services, routes))

        self.kinds = {
            kind.name: kind
            for kind in (
                Kind("http", free_port()),
                Kind("https", free_port(), certificate),
                Kind("h2", free_port(), http2=True),
                Kind("h2s", free_port(), certificate, http2=True),
                Kind("tcp", free_port(), tunnel=True),
                Kind("passthrough", free_port(), certificate, tunnel=True),
            )
        }
        ports = {name: kind.port for name, kind in self.kinds.items()}
        # A tunnel to a server that reads to the end before it closes.
        self.slow_tunnel = Kind("slow-tunnel", free_port(), tunnel=True)
        listeners = {
            "http": bound(ports["http"], **patient()),
            "https": bound(ports["https"], **patient(), **tls),
            "h2": bound(ports["h2"], **patient()),
            "h2s": bound(ports["h2s"], **patient(), **tls),
            "tcp": bound(ports["tcp"], protocol="tcp", **patient()),
            "passthrough": bound(ports["passthrough"], protocol="tls_passthrough", **patient()),
            "slow-tunnel": bound(self.slow_tunnel.port, protocol="tcp", **patient(tunnel=f"{SILENT_TUNNEL_SECONDS}s")),
        }
        services = {
            "quick": stormed_service(quick.port),
            "bulk": stormed_service(bulk.port),
            "patient": stormed_service(patient_origin.port),
            "inner": stormed_service(inner_port),
        }
        routes = [route(path, "patient") for path in ("/echo", "/slow", "/until-close")]
        routes += [route("/bytes", "bulk"), {"match": {}, "to": "quick"}]
        tunnels = {"tcp": "quick", "passthrough": "inner", "slow-tunnel": "patient"}
        routes += [{"match": {"listener": name}, "to": to} for name, to in tunnels.items()]
        self.router = self.enter_context(ManyListeners(self.directory, self.binary, listeners, services, routes))

    @property
    def pid(self):
        return self.router.process.pid

    def open_connections(self, kind):
        return self.router.metric("spillway_listener_open_connections", listener=kind.name)

    def look(self):
        gauges = {name: self.router.metric(name) for name in GAUGES}
        return Sight(gauges, descriptors(self.pid), memory([self.pid]))

    def calm(self, seconds=8.0):
        """What is seen when nothing has been open for a second but listeners."""
        end, since, last = time.monotonic() + seconds, time.monotonic(), None
        while time.monotonic() < end:
            seen = self.look()
            if any(seen.gauges.values()) or last is None or seen.descriptors != last.descriptors:
                since, last = time.monotonic(), seen
            elif time.monotonic() - since >= 1.0:
                return seen
            time.sleep(0.1)
        raise Failed(f"the router does not become calm: {last}")

    def calm_again(self, before, memory_more, seconds):
        """What is seen once all is as before, but for so much memory; or what it is like when that does not come."""
        end = time.monotonic() + seconds
        while True:
            seen = self.look()
            is_calm = not seen.above(before) and seen.memory - before.memory <= memory_more
            if is_calm or time.monotonic() >= end:
                return seen
            time.sleep(0.1)
