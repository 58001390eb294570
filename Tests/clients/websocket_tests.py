"""WebSocket through the router: by upgrade of HTTP/1.1, and by extended CONNECT of HTTP/2 (RFC 8441)."""

import base64
import contextlib
import os
import signal
import struct
import time

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from group import Group, equal, holds
from router import Router, route, service
from session import Answer, Session
from websocket_server import WebSocketServer

IDLE_SECONDS = 2
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@contextlib.contextmanager
def world(directory, binary):
    with WebSocketServer() as first:
        services = {
            "chat": service(first.port, timeouts={"idle": f"{IDLE_SECONDS}s"}),
            "second": service(1, first.port),
            "moved": service(first.port, on_failover="close"),
        }
        routes = [route("/second", "second"), route("/moved", "moved"), route("/", "chat")]
        make = lambda: Router(directory, binary, services, routes, listener={"timeouts": {"idle": f"{IDLE_SECONDS}s", "tunnel": f"{IDLE_SECONDS}s"}})
        with make() as router:
            router.server, router.fresh = first, make
            yield router


GROUP = Group("websocket", world)
EXTENDED = Group("extended-connect", world)
GROUPS = [GROUP, EXTENDED]


def chat(router, path="/echo", **more):
    options = {"max_size": None, "ping_interval": None, "compression": None, "proxy": None, "close_timeout": 3} | more
    return connect(f"ws://127.0.0.1:{router.port}{path}", **options)


def frame(kind, payload, masked=True):
    """One whole WebSocket frame (RFC 6455, section 5.2)."""
    length, mask = len(payload), os.urandom(4) if masked else b""
    head = bytes([0x80 | kind, masked << 7 | (length if length < 126 else 126 if length < 65536 else 127)])
    head += struct.pack(">H" if length < 65536 else ">Q", length) if length >= 126 else b""
    coded = bytes(octet ^ mask[at & 3] for at, octet in enumerate(payload)) if masked else payload
    return head + mask + coded


def upgrade(path="/echo", key=None):
    key = key or base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "Host: clients.test", "Connection: Upgrade", "Upgrade: websocket"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]).encode()


@GROUP.test
def echo(router):
    """Text and binary messages come back, 1,000 of them in order."""
    with chat(router) as connection:
        for number in range(1_000):
            message = f"message {number}" if number % 2 else b"octets %d" % number
            connection.send(message)
            equal(connection.recv(5), message)


@GROUP.test
def large(router):
    """A message of 10 MB comes back."""
    message = os.urandom(10_000_000)
    with chat(router) as connection:
        connection.send(message)
        equal(connection.recv(20) == message, True)


@GROUP.test
def greeting(router):
    """What the service says first comes, though the client has said nothing."""
    with chat(router, "/greets") as connection:
        equal(connection.recv(3), "welcome")


@GROUP.test
def pings(router):
    """PING is answered by the service."""
    with chat(router) as connection:
        holds(connection.ping(b"there?").wait(3), "no pong")


@GROUP.test
def client_closes(router):
    """The client's closing code reaches the service, and is answered."""
    connection = chat(router, "/echo/client-closes")
    connection.close(4000, "enough")
    equal(router.server.wait_for_code("/echo/client-closes"), 4000)


@GROUP.test
def service_closes(router):
    """The service's closing code reaches the client."""
    with chat(router, "/closes") as connection:
        connection.send("now")
        try:
            connection.recv(3)
            raise AssertionError("a message came")
        except ConnectionClosed as closed:
            equal((closed.rcvd.code, closed.rcvd.reason), (4001, "as told"))


@GROUP.test
def refusal(router):
    """A service that refuses the upgrade is heard."""
    try:
        chat(router, "/refuses").close()
        raise AssertionError("it was not refused")
    except InvalidStatus as refused:
        equal((refused.response.status_code, bytes(refused.response.body)), (403, b"not you\n"))


@GROUP.test
def subprotocol(router):
    """Subprotocols are agreed upon with the service."""
    with chat(router, subprotocols=["unknown", "spoken"]) as connection:
        equal(connection.subprotocol, "spoken")


@GROUP.test
def first_frame_together(router):
    """A frame that was sent together with the upgrade reaches the service."""
    with router.dial() as raw:
        raw.sendall(upgrade() + frame(TEXT, b"early"))
        due, said = frame(TEXT, b"early", masked=False), b""
        while due not in said:
            part = raw.recv(4096)
            holds(part, f"closed after {said!r}")
            said += part
        holds(said.startswith(b"HTTP/1.1 101"), repr(said[:60]))


@GROUP.test
def second_region(router):
    """When the first region refuses, the second is connected to."""
    with chat(router, "/second") as connection:
        connection.send("hello")
        equal(connection.recv(3), "hello")


@GROUP.test
def idle(router):
    """A connection on which nothing is said is closed after the idle limit; one that speaks now and then is not."""
    with chat(router, "/silent") as connection:
        begun = time.monotonic()
        try:
            connection.recv(3 * IDLE_SECONDS)
            raise AssertionError("a message came")
        except (ConnectionClosed, TimeoutError) as end:
            equal(type(end).__mro__[1].__name__, "ConnectionClosed", "how it ended")
        holds(time.monotonic() - begun > 0.8 * IDLE_SECONDS, "too early")
    with chat(router) as connection:
        for _ in range(5):
            time.sleep(IDLE_SECONDS / 2)
            connection.send("still here")
            equal(connection.recv(3), "still here")


@GROUP.test
def client_vanishes(router):
    """A client that goes away without a word is gone at the service, too."""
    connection = chat(router, "/silent/vanishes")
    connection.socket.shutdown(2)
    holds(router.server.wait_for_code("/silent/vanishes") is not None, "the service was not told")


@GROUP.test
def drain(router):
    """A connection lives on when the end is ordered, and is cut off when the drain's time is over."""
    with router.fresh() as own:
        with chat(own) as connection:
            connection.send("before")
            equal(connection.recv(3), "before")
            begun = time.monotonic()
            own.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            connection.send("after")
            equal(connection.recv(3), "after")
            connection.close()
        equal(own.process.wait(6), 0, "exit status")
        holds(time.monotonic() - begun < own.drain, "the router did not end with the last connection")


@GROUP.test
def other_upgrades(router):
    """An upgrade to HTTP/2 is not passed on, and one that the service does not follow is none."""
    for other in (b"h2c", b"TLS/1.0", b"h2c, websocket"):
        with router.dial() as raw:
            raw.sendall(upgrade().replace(b"Upgrade: websocket", b"Upgrade: " + other) + b"\x81\x05hello")
            said = raw.recv(4096)
            holds(not said.startswith(b"HTTP/1.1 101"), f"{other}: {said[:60]!r}")


@GROUP.test
def on_failover(router):
    """Where a service says so, connections to an endpoint that leaves the table are closed, those on streams alone."""
    with router.fresh() as own, Session(own) as session, chat(own, "/moved") as connection:
        stream, stays = open_extended(session, "/moved"), open_extended(session, "/echo")
        connection.send("here?")
        equal(connection.recv(3), "here?")
        own.services = own.services | {"moved": service(1, on_failover="close")}
        own.reload()
        try:
            connection.recv(5)
            raise AssertionError("a message came")
        except ConnectionClosed:
            pass
        session.wait(lambda: session.answers[stream].over)
        holds(session.answers[stream].reset is not None, "the stream was ended as if all were said")
        session.send(stays, frame(TEXT, b"still here"), end=False)
        said(session, stays, frame(TEXT, b"still here", masked=False))
        equal(own.metric("spillway_tunnels_ended_total", reason="failover"), 2)


def open_extended(session, path="/echo", fields=(), protocol="websocket"):
    """Returns the stream of an extended CONNECT."""
    session.wait(lambda: session.settings_came)
    stream = session.connection.get_next_available_stream_id()
    session.answers[stream] = Answer()
    named = [(":method", "CONNECT"), (":protocol", protocol), (":scheme", "http"), (":path", path)]
    named += [(":authority", "clients.test"), ("sec-websocket-version", "13"), *fields]
    session.connection.send_headers(stream, named)
    session.flush()
    session.wait(lambda: session.answers[stream].fields or session.answers[stream].over)
    return stream


def said(session, stream, octets):
    """Waits until the service has said this."""
    answer = session.answers[stream]
    session.wait(lambda: octets in answer.body or answer.over)
    holds(octets in answer.body, f"{bytes(answer.body)!r:.200}, reset {answer.reset}")


@EXTENDED.test
def offered(router):
    """SETTINGS_ENABLE_CONNECT_PROTOCOL is told."""
    with Session(router) as session:
        session.wait(lambda: session.settings_came)
        equal(session.connection.remote_settings.enable_connect_protocol, 1)


@EXTENDED.test
def echo_on_stream(router):
    """Messages come back on a stream of HTTP/2, beside ordinary requests."""
    with Session(router) as session:
        stream = open_extended(session)
        equal(session.answers[stream].status, 200)
        for number in range(100):
            session.send(stream, frame(TEXT, b"message %d" % number), end=False)
            said(session, stream, frame(TEXT, b"message %d" % number, masked=False))
        fields = dict(session.answers[stream].fields)
        for name in ("upgrade", "connection"):
            holds(name not in fields, f"{name} in the answer")


@EXTENDED.test
def large_on_stream(router):
    """A message of 2 MB comes back on a stream."""
    message = bytes(2_000_000)
    with Session(router) as session:
        stream = open_extended(session)
        session.send(stream, frame(BINARY, message), end=False)
        answer = session.answers[stream]
        due = len(frame(BINARY, message, masked=False))
        session.wait(lambda: len(answer.body) >= due or answer.over, 20)
        equal(len(answer.body), due)


@EXTENDED.test
def closing_on_stream(router):
    """Closing by the WebSocket's own frames ends the stream both ways, and not the connection."""
    with Session(router) as session:
        stream = open_extended(session, "/echo/closing")
        session.send(stream, frame(CLOSE, struct.pack(">H", 4000)), end=False)
        said(session, stream, frame(CLOSE, struct.pack(">H", 4000), masked=False))
        session.send(stream, b"", end=True)
        session.answer(stream)
        equal(router.server.wait_for_code("/echo/closing"), 4000)
        equal(session.answers[open_extended(session)].status, 200)


@EXTENDED.test
def reset_on_stream(router):
    """A stream that the client resets closes the service's connection."""
    with Session(router) as session:
        stream = open_extended(session, "/silent/reset")
        session.reset(stream)
        holds(router.server.wait_for_code("/silent/reset") is not None, "the service was not told")


@EXTENDED.test
def refusal_on_stream(router):
    """A service that refuses is heard."""
    with Session(router) as session:
        stream = open_extended(session, "/refuses")
        answer = session.answer(stream)
        equal((answer.status, bytes(answer.body)), (403, b"not you\n"))


@EXTENDED.test
def page_on_stream(router):
    """A service that answers with a page has opened no tunnel, as its 200 would say on a stream."""
    with Session(router) as session:
        answer = session.answer(open_extended(session, "/page"))
        equal((answer.status, dict(answer.fields)["x-spillway-error"]), (502, "not-upgraded"))
        equal(session.answers[open_extended(session)].status, 200)


@EXTENDED.test
def other_protocols(router):
    """Extended CONNECT for anything else is answered as CONNECT is, and the connection lives."""
    with Session(router) as session:
        answer = session.answer(open_extended(session, protocol="connect-udp"))
        equal((answer.status, dict(answer.fields)["x-spillway-error"]), (501, "connect-not-supported"))
        equal(session.answers[open_extended(session)].status, 200)
