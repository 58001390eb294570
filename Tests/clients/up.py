"""Services that speak HTTP/2 (`protocol: http2`), plain and by TLS, behind HTTP/2 and HTTP/1.1 clients."""

import contextlib
import functools
import hashlib
import os
import re
import time

from authority import Authority
from group import Group, equal, holds
from http2_server import HTTP2Server
from router import Router, route, service
from session import Session


@contextlib.contextmanager
def world(directory, binary, encrypted=False):
    authority = Authority(directory) if encrypted else None
    make = functools.partial(HTTP2Server, context=authority and authority.server_context(["h2"]))
    with make() as first, make() as second, make(streams_limit=10) as narrow:
        spoken = {"protocol": "http2"} | ({"tls": authority.trusted} if encrypted else {})
        services = {
            "origin": service(first.port, second.port, **spoken),
            "narrow": service(narrow.port, **spoken),
            "named": service(first.port, host="bucket.test:8443", **spoken),
        }
        # What authority.trusted names, the certificate has; the name that is told it has not.
        if encrypted:
            services["named"]["tls"] = {**authority.trusted, "name": "127.0.0.1"}
        routes = [route("/slow/40", "narrow"), route("/fields/named", "named"), route("/", "origin")]
        with Router(directory, binary, services, routes) as router:
            router.first, router.second, router.narrow = first, second, narrow
            router.scheme = "https" if encrypted else "http"
            yield router


GROUP = Group("up", world)
H1, H2 = "--http1.1", "--http2-prior-knowledge"


@GROUP.test
def both_versions(router):
    """Clients of both versions are answered by a service of HTTP/2."""
    for option, version in [(H1, b"1.1"), (H2, b"2")]:
        said = router.curl(option, "-w", "\n%{http_version} %{http_code}", router.url + "/")
        equal(said, b"x" * 100 + b"\n" + version + b" 200")


@GROUP.test
def large(router):
    """20 MB go up and come back, the same octets, with both versions."""
    sent = router.directory / "sent"
    sent.write_bytes(os.urandom(20_000_000))
    for option in (H1, H2):
        back = router.curl(option, "--data-binary", f"@{sent}", router.url + "/echo")
        equal(hashlib.sha256(back).hexdigest(), hashlib.sha256(sent.read_bytes()).hexdigest(), option)


@GROUP.test
def few_connections(router):
    """500 requests at once share few connections."""
    before = router.first.connections
    with Session(router) as session:
        for _ in range(5):
            streams = [session.request("/bytes/1000") for _ in range(100)]
            equal({session.answer(stream).status for stream in streams}, {200})
    opened = router.first.connections - before
    holds(opened <= 8, f"{opened} connections were opened")


@GROUP.test
def narrow_service(router):
    """A service that takes 10 streams on a connection, and breaks it off if there are more, answers everybody."""
    with Session(router) as session:
        equal(session.get("/slow/40").status, 200)
        streams = [session.request("/slow/40") for _ in range(100)]
        equal({session.answer(stream).status for stream in streams}, {200})


@GROUP.test
def trailers(router):
    """Trailers go up and come back."""
    with Session(router) as session:
        stream = session.request("/echo", "POST", [("te", "trailers")], b"body", end=False)
        session.connection.send_headers(stream, [("x-sum", "17")], end_stream=True)
        session.flush()
        answer = session.answer(stream)
        equal(bytes(answer.body), b"body")
        given = dict(answer.trailers or [])
        equal((given.get("x-sum"), given.get("x-echoed")), ("17", "yes"))


@GROUP.test
def trailers_to_http1(router):
    """Trailers of a service of HTTP/2 reach a client of HTTP/1.1 that takes them."""
    with router.dial() as raw:
        raw.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\nContent-Length: 4\r\n\r\nbody")
        said = b""
        while part := raw.recv(65536):
            said += part
    holds(b"x-echoed: yes" in said.lower().rsplit(b"\r\n0\r\n", 1)[-1], repr(said[-200:]))


@GROUP.test
def fields(router):
    """The service sees pseudo-header fields, the client's authority, and nothing about the connection."""
    added = ["-H", "Connection: x-gone", "-H", "X-Gone: yes", "-H", "Keep-Alive: 5", "-H", "X-Own: kept"]
    seen = router.curl(H1, *added, "-H", "Host: clients.test", router.url + "/fields").decode().splitlines()
    due = (":method: GET", ":path: /fields", f":scheme: {router.scheme}", ":authority: clients.test", "x-own: kept")
    for line in due:
        holds(line in seen, f"{line} is missing: {seen}")
    holds(any(re.fullmatch("via: 1.1 spillway-[0-9a-f]{8}", line) for line in seen), seen)
    holds(b"via: 2.0 spillway" in router.curl(H1, "-i", router.url + "/").lower(), "the answer's version is not told")
    for name in ("host:", "connection:", "keep-alive:", "x-gone:", "transfer-encoding:"):
        holds(not any(line.startswith(name) for line in seen), f"{name} was sent: {seen}")


@GROUP.test
def host(router):
    """A service that has a host of its own is told that, and not the client's."""
    for option in (H1, H2):
        seen = router.curl(option, "-H", "Host: clients.test", router.url + "/fields/named").decode().splitlines()
        equal([line for line in seen if "authority" in line], [":authority: bucket.test:8443"])
        holds("x-forwarded-host: clients.test" in seen, seen)


@GROUP.test
def early_hints(router):
    """103 of a service of HTTP/2 comes through."""
    with Session(router) as session:
        answer = session.get("/early")
        equal([dict(fields)[":status"] for fields in answer.informational], ["103"])
        equal(answer.status, 200)


@GROUP.test
def refused_stream(router):
    """A stream that the service refuses is tried again, POST too: it was not processed (RFC 9113, 8.7)."""
    with Session(router) as session:
        equal(session.get("/refused/get").status, 200)
        equal(session.answer(session.request("/refused/post", "POST", body=b"once")).status, 200)


@GROUP.test
def goaway(router):
    """A stream above the last that GOAWAY names is tried again, POST too; the connection is replaced."""
    with Session(router) as session:
        equal(session.get("/").status, 200)
        equal(session.answer(session.request("/goaway/post", "POST", body=b"once")).status, 200)
        equal({session.get("/").status for _ in range(20)}, {200})


@GROUP.test
def reset_is_told(router):
    """A POST whose stream is reset is not sent again: 502, or a reset."""
    with Session(router) as session:
        answer = session.answer(session.request("/reset/post", "POST", body=b"once"))
        holds(answer.status == 502 or answer.reset is not None, f"status {answer.status}")
    times = sum(server.seen.get("reset/post", 0) for server in (router.first, router.second))
    equal(times, 1, "times executed")


@GROUP.test
def cancelled(router):
    """A stream that the client resets is reset at the service, and its connection lives."""
    with Session(router) as session:
        stream = session.request("/held")
        end = time.monotonic() + 5
        while "held" not in router.first.seen and time.monotonic() < end:
            session.step(0.05)
        session.reset(stream)
        while not router.first.resets and time.monotonic() < end:
            session.step(0.05)
        equal([path for path, _ in router.first.resets], ["/held"])
        equal(session.get("/").status, 200)


@GROUP.test
def slow_reader(router):
    """A stream that is not read holds back no other on the same connection to the service."""
    with Session(router, returns_windows=False) as session:
        slow = session.request("/bytes/5000000")
        session.wait(lambda: len(session.answers[slow].body) == 65_535)
        begun = time.monotonic()
        for _ in range(20):
            equal(len(session.get("/bytes/20000").body), 20_000)
            session.connection.increment_flow_control_window(20_000)
        holds(time.monotonic() - begun < 2, "others were held back")
        session.connection.increment_flow_control_window(5_000_000)
        session.connection.increment_flow_control_window(5_000_000, slow)
        session.flush()
        equal(len(session.answer(slow).body), 5_000_000)


@GROUP.test
def service_gone(router):
    """When the first region closes, GETs in flight and new requests are answered by the second."""
    with Session(router) as session:
        streams = [session.request("/slow/300") for _ in range(20)]
        time.sleep(0.1)
        loop = router.first.loop
        loop.call_soon_threadsafe(router.first.server.close)
        loop.call_soon_threadsafe(lambda: [protocol.transport.abort() for protocol in list(router.first.open)])
        equal({session.answer(stream).status for stream in streams}, {200})
        equal({session.get("/").status for _ in range(20)}, {200})


SECURE = GROUP.again("up-tls", functools.partial(world, encrypted=True))
