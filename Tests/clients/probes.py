"""Health checks over TLS of services that speak one version of HTTP, by checks that speak the other."""

import contextlib

from authority import Authority
from group import Group, equal
from grpc_calls import wait_for
from grpc_server import SERVICE, GRPCServer
from router import Router, route, service


@contextlib.contextmanager
def world(directory, binary):
    authority = Authority(directory)
    answers = [{"match": {"path": "/"}, "respond": {"status": 200, "body": "here"}}]
    with GRPCServer("called", authority.grpc_server()) as called:
        # Speaks both versions, as the client offers.
        with Router(directory, binary, {}, answers, listener={"tls": authority.listener}) as behind:
            often = {"every": "100ms"}
            trusted = {"tls": authority.trusted}
            asked = {"http": "/", **often}
            services = {
                "http2": service(behind.port, protocol="http2", **trusted | {"probe": asked}),
                "http1": service(behind.port, **trusted | {"probe": asked}),
                "called": service(called.port, **trusted | {"probe": {"grpc": SERVICE, **often}}),
            }
            with Router(directory, binary, services, [route(f"/{name}", name) for name in services]) as router:
                yield router


GROUP = Group("probe", world)


@GROUP.test
def speaks_for_itself(router):
    """A check agrees on what it speaks, whatever requests speak: HTTP/1.1 of a service of HTTP/2, gRPC of one of HTTP/1.1."""
    for name in ("http2", "http1", "called"):
        passed = lambda: router.metric("spillway_probes_total", service=name, result="passed")
        wait_for(lambda: passed() >= 3, 5, f"{name}: {passed()} passed")
        equal(router.metric("spillway_probes_total", service=name, result="failed"), 0, name)
    for name in ("http2", "http1"):
        equal(router.curl(f"{router.url}/{name}"), b"here")
