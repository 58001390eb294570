"""HTTP/2 from clients, cleartext with prior knowledge, to a service that speaks HTTP/1.1."""

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import time

import httpx

from group import Group, equal, holds
from proxies import Origin
from router import Router, route, service
from session import Answer, Session


@contextlib.contextmanager
def world(directory, binary):
    with Origin() as origin:
        services = {"origin": service(origin.port), "nobody": service(1)}
        routes = [route("/nobody", "nobody"), route("/", "origin")]
        with Router(directory, binary, services, routes) as router:
            yield router


GROUP = Group("http2", world)
H2 = "--http2-prior-knowledge"


@GROUP.test
def curl(router):
    """curl is answered, with HTTP/2."""
    said = router.curl(H2, "-w", "\n%{http_version} %{http_code}", router.url + "/")
    equal(said, b"x" * 100 + b"\n2 200")


@GROUP.test
def http1_beside(router):
    """The same listener still speaks HTTP/1.1, and HTTP/1.0."""
    for option, version in [("--http1.1", b"1.1"), ("--http1.0", b"1.1")]:
        said = router.curl(option, "-w", "\n%{http_version} %{http_code}", router.url + "/")
        equal(said, b"x" * 100 + b"\n" + version + b" 200", option)


@GROUP.test
def head(router):
    """HEAD has the length, and no body."""
    said = router.curl(H2, "--head", router.url + "/bytes/12345").decode().lower()
    holds("content-length: 12345" in said, said)


@GROUP.test
def bodiless(router):
    """204 and 304 end with their head, and keep their fields."""
    with Session(router) as session:
        for status in (204, 304):
            answer = session.get(f"/status/{status}")
            equal((answer.status, answer.body, answer.ended), (status, b"", True))
            equal(dict(answer.fields).get("etag"), '"e"')


@GROUP.test
def large_down(router):
    """50 MB come whole."""
    said = router.curl(H2, "-o", "/dev/null", "-w", "%{size_download} %{http_code}", router.url + "/bytes/50000000")
    equal(said, b"50000000 200")


@GROUP.test
def large_both_ways(router):
    """20 MB go up and come back, the same octets."""
    sent = router.directory / "sent"
    sent.write_bytes(os.urandom(20_000_000))
    back = router.curl(H2, "--data-binary", f"@{sent}", router.url + "/echo")
    equal(hashlib.sha256(back).hexdigest(), hashlib.sha256(sent.read_bytes()).hexdigest())


@GROUP.test
def many_streams(router):
    """2,000 requests of httpx, a hundred at once on few connections, are all answered."""

    async def ask_all():
        limits = httpx.Limits(max_connections=4)
        async with httpx.AsyncClient(http1=False, http2=True, limits=limits, timeout=30) as client:
            gate = asyncio.Semaphore(100)

            async def ask(number):
                async with gate:
                    answer = await client.post(f"{router.url}/echo", content=f"request {number}".encode() * 50)
                    return answer.http_version, answer.content == f"request {number}".encode() * 50

            return await asyncio.gather(*(ask(number) for number in range(2_000)))

    equal(set(asyncio.run(ask_all())), {("HTTP/2", True)})


@GROUP.test
def trailers(router):
    """Trailers go up and come back."""
    with Session(router) as session:
        stream = session.request("/echo", "POST", [("te", "trailers"), ("trailer", "x-sum")], b"body", end=False)
        session.connection.send_headers(stream, [("x-sum", "17")], end_stream=True)
        session.flush()
        answer = session.answer(stream)
        equal(bytes(answer.body), b"body")
        given = dict(answer.trailers or [])
        equal((given.get("x-sum"), given.get("x-echoed")), ("17", "yes"))


@GROUP.test
def expectation(router):
    """Expect is answered with 100 before the body is sent."""
    with Session(router) as session:
        fields = [("expect", "100-continue"), ("content-length", "4")]
        stream = session.request("/echo", "POST", fields, end=False)
        answer = session.answers[stream]
        session.wait(lambda: answer.informational)
        equal(dict(answer.informational[0])[":status"], "100")
        session.send(stream, b"test")
        equal(bytes(session.answer(stream).body), b"test")


@GROUP.test
def early_hints(router):
    """103 comes through before the answer."""
    with Session(router) as session:
        answer = session.get("/early")
        holds(answer.informational, "no informational answer")
        told = dict(answer.informational[0])
        equal((told[":status"], told.get("link")), ("103", "</style.css>; rel=preload"))
        equal(answer.status, 200)


@GROUP.test
def slow_reader(router):
    """A stream that is not read holds no other back, and is whole once it is."""
    with Session(router, returns_windows=False) as session:
        slow = session.request("/bytes/3000000")
        session.wait(lambda: len(session.answers[slow].body) == 65_535)
        begun = time.monotonic()
        for _ in range(50):
            quick = session.get("/bytes/20000")
            equal(len(quick.body), 20_000)
            session.connection.increment_flow_control_window(20_000)
        holds(time.monotonic() - begun < 2, "others were held back")
        equal(len(session.answers[slow].body), 65_535)
        session.connection.increment_flow_control_window(3_000_000)
        session.connection.increment_flow_control_window(3_000_000, slow)
        session.flush()
        equal(len(session.answer(slow).body), 3_000_000)


@GROUP.test
def slow_service(router):
    """A body that the service does not read yet waits at the client, and holds no other stream back."""
    octets = 40_000_000
    with Session(router) as session:
        slow = session.request("/hold/1500", "POST", [("content-length", str(octets))], end=False)
        begun, sent = time.monotonic(), 0
        while True:
            room = min(session.connection.local_flow_control_window(slow), 16_384)
            if room > 0:
                session.connection.send_data(slow, b"x" * room)
                session.flush()
                sent += room
            if not session.step(0 if room > 0 else 0.2) and room <= 0:
                break
        holds(sent < octets // 2, f"{sent} octets were taken that nobody reads")
        for _ in range(20):
            equal(session.get("/").status, 200)
        holds(time.monotonic() - begun < 1.4, "others were held back")
        session.send(slow, b"x" * (octets - sent))
        equal(bytes(session.answer(slow).body), str(octets).encode())


@GROUP.test
def padding(router):
    """A body in padded DATA comes whole: padding is returned to the windows."""
    with Session(router) as session:
        stream = session.request("/hold/0", "POST", end=False)
        session.send(stream, b"x" * 400_000, padding=200)
        equal(bytes(session.answer(stream, 30).body), b"400000")


@GROUP.test
def fields(router):
    """The service sees one Host and one Cookie, no pseudo-header fields, and a body's length or chunks."""
    with Session(router) as session:
        seen = session.get("/fields", fields=[("cookie", "a=1"), ("cookie", "b=2"), ("x-own", "kept")]).body.decode()
        lines = [line.lower() for line in seen.split("\r\n")]
        equal(lines[0], "get /fields http/1.1")
        equal([line for line in lines if line.startswith("host:")], ["host: clients.test"])
        equal([line for line in lines if line.startswith("cookie:")], ["cookie: a=1; b=2"])
        holds([bool(re.fullmatch("via: 2.0 spillway-[0-9a-f]{8}", line)) for line in lines if line.startswith("via:")] == [True], lines)
        holds("x-own: kept" in lines, seen)
        holds(not any(line.startswith(":") for line in lines), seen)
        holds(not any(line.startswith(("transfer-encoding:", "content-length:")) for line in lines), seen)
        seen = bytes(session.answer(session.request("/fields", "POST", body=b"some")).body).decode().lower()
        holds("transfer-encoding: chunked" in seen or "content-length: 4" in seen, seen)
        measured = session.request("/fields", "POST", [("content-length", "4")], b"some")
        holds("content-length: 4" in bytes(session.answer(measured).body).decode().lower(), "length lost")


@GROUP.test
def cancelled(router):
    """A stream that the client resets is given up at the service, too."""
    with Session(router) as session:
        stream = session.request("/watch/cancelled")
        session.wait(lambda: bytes(session.get("/watched/cancelled").body) == b"open")
        session.reset(stream)
        session.wait(lambda: bytes(session.get("/watched/cancelled").body) == b"closed", 3)


@GROUP.test
def vanished(router):
    """A client that goes away is given up at the service, too."""
    with Session(router) as session, Session(router) as other:
        session.request("/watch/vanished")
        other.wait(lambda: bytes(other.get("/watched/vanished").body) == b"open")
        session.socket.close()
        other.wait(lambda: bytes(other.get("/watched/vanished").body) == b"closed", 3)


@GROUP.test
def changed_minds(router):
    """A client that resets every fourth of its requests, for long, is no attacker."""
    with Session(router) as session:
        for _ in range(400):
            streams = [session.request("/bytes/1000") for _ in range(8)]
            for stream in streams[::4]:
                session.reset(stream)
            for stream in streams[1:4] + streams[5:]:
                equal(session.answer(stream).status, 200)
        equal(session.goaway, None)


@GROUP.test
def small_windows(router):
    """A client that reads a large answer in small pieces is no attacker."""
    with Session(router, window=1_000, returns_windows=False) as session:
        stream = session.request("/bytes/300000")
        answer = session.answers[stream]
        returned = 0
        while not answer.over:
            session.wait(lambda: len(answer.body) > returned or answer.over)
            session.connection.increment_flow_control_window(len(answer.body) - returned)
            if not answer.over:
                session.connection.increment_flow_control_window(len(answer.body) - returned, stream)
            returned = len(answer.body)
            session.flush()
        equal((len(answer.body), session.goaway), (300_000, None))


@GROUP.test
def long_life(router):
    """One connection carries 20,000 requests, PINGs among them."""
    with Session(router) as session:
        for number in range(200):
            if number % 4 == 0:
                session.connection.ping(b"pingpong")
                session.flush()
            streams = [session.request("/") for _ in range(100)]
            equal({session.answer(stream).status for stream in streams}, {200})
        equal(session.goaway, None)


@GROUP.test
def nobody_there(router):
    """What the router itself answers is a whole answer."""
    with Session(router) as session:
        answer = session.get("/nobody")
        holds(answer.status in (502, 503, 504), f"status {answer.status}")
        holds(answer.ended and session.get("/").status == 200, "the connection is of no more use")


@GROUP.test
def large_fields(router):
    """Fields of 20 KB reach the service; 100 KB are refused, and the connection lives."""
    with Session(router) as session:
        answer = session.get("/fields", fields=[("x-large", "y" * 20_000)])
        equal((answer.status, b"y" * 20_000 in answer.body), (200, True))
        refused = session.get("/fields", fields=[(f"x-large{number}", "y" * 10_000) for number in range(10)])
        holds(refused.reset is not None or refused.status == 431, f"status {refused.status}")
        equal(session.get("/").status, 200)


@GROUP.test
def impossible_fields(router):
    """Requests with fields that are none are reset, and each is counted as refused; the connection lives."""
    before = router.metric("spillway_listener_refused_total")
    with Session(router) as session:
        streams = []
        for _ in range(5):
            stream = session.connection.get_next_available_stream_id()
            session.answers[stream] = Answer()
            named = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "clients.test")]
            session.connection.send_headers(stream, [*named, ("x-field", "a\nb")], end_stream=True)
            streams.append(stream)
        session.flush()
        for stream in streams:
            holds(session.answer(stream).reset is not None, "an answer came")
        equal(session.get("/").status, 200)
    equal(router.metric("spillway_listener_refused_total") - before, 5)


@GROUP.test
def upgrade_to_h2c(router):
    """`Upgrade: h2c` is not followed, and not passed on."""
    fields = ["-H", "Connection: Upgrade, HTTP2-Settings", "-H", "Upgrade: h2c", "-H", "HTTP2-Settings: AAMAAABkAAQAAP__"]
    said = router.curl("--http1.1", *fields, "-w", "\n%{http_version} %{http_code}", router.url + "/fields").decode()
    holds(said.endswith("\n1.1 200"), said)
    for word in ("upgrade", "http2-settings", "h2c"):
        holds(word not in said.lower(), f"{word} was passed on: {said}")


@GROUP.test
def connect(router):
    """CONNECT is refused, with HTTP/1.1 and HTTP/2, and opens nothing."""
    with socket.create_connection(("127.0.0.1", router.port), timeout=5) as raw:
        raw.sendall(b"CONNECT origin.test:80 HTTP/1.1\r\nHost: origin.test:80\r\n\r\n")
        said = raw.recv(4096)
        holds(said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501")), repr(said[:80]))
    with Session(router) as session:
        stream = session.connection.get_next_available_stream_id()
        session.answers[stream] = Answer()
        session.connection.send_headers(stream, [(":method", "CONNECT"), (":authority", "origin.test:80")])
        session.flush()
        answer = session.answer(stream)
        holds(answer.reset is not None or answer.status in range(400, 600), f"status {answer.status}")
        equal(session.get("/").status, 200)

