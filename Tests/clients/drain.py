"""What SIGTERM does to connections of HTTP/2: each test ends a router of its own."""

import contextlib
import signal
import time

from group import Group, equal, holds
from proxies import Origin
from router import Router, route, service
from session import Session


class Nobody:
    """Nothing is shared by these tests but what they make of it."""

    def check_alive(self):
        pass

    def log_tail(self):
        return ""


@contextlib.contextmanager
def world(directory, binary):
    with Origin() as origin:
        nobody = Nobody()
        make = lambda **more: Router(directory, binary, {"s": service(origin.port)}, [route("/", "s")], **more)
        nobody.router = make
        yield nobody


GROUP = Group("drain", world)


@GROUP.test
def in_flight(world):
    """Streams in flight are finished; then the connection is closed, and the router ends with 0."""
    with world.router() as router, Session(router) as session:
        session.get("/")
        streams = [session.request("/slow/1000") for _ in range(20)]
        time.sleep(0.2)
        router.process.send_signal(signal.SIGTERM)
        session.wait(lambda: session.goaway is not None, 2)
        equal(int(session.goaway.error_code), 0, "GOAWAY's code")
        equal({session.answer(stream).status for stream in streams}, {200})
        closed_by_it(session)
        equal(router.process.wait(5), 0, "exit status")


@GROUP.test
def idle(world):
    """An idle connection is told GOAWAY, and closed at once."""
    with world.router() as router, Session(router) as session:
        session.get("/")
        begun = time.monotonic()
        router.process.send_signal(signal.SIGTERM)
        session.wait(lambda: session.goaway is not None, 2)
        closed_by_it(session)
        equal(router.process.wait(5), 0, "exit status")
        holds(time.monotonic() - begun < 3, "took too long")


@GROUP.test
def bodies(world):
    """Bodies that are coming up and going down when the end is ordered are finished."""
    with world.router() as router, Session(router) as session:
        down = session.request("/trickle/10/100")
        up = session.request("/echo", "POST", end=False)
        session.send(up, b"first,", end=False)
        session.wait(lambda: session.answers[up].body and session.answers[down].body)
        router.process.send_signal(signal.SIGTERM)
        session.wait(lambda: session.goaway is not None, 2)
        time.sleep(0.3)
        session.send(up, b"second")
        equal(bytes(session.answer(up).body), b"first,second")
        equal(len(session.answer(down).body), 10)
        equal(router.process.wait(5), 0, "exit status")


@GROUP.test
def crossing(world):
    """A request that crosses the GOAWAY is answered, or refused so that the client may repeat it: never lost."""
    with world.router() as router, Session(router) as session:
        slow = session.request("/slow/800")
        time.sleep(0.1)
        router.process.send_signal(signal.SIGTERM)
        streams = []
        while session.goaway is None:
            streams.append(session.request("/"))
            session.step(0.01)
        last = session.goaway.last_stream_id
        for stream in streams:
            if stream <= last:
                answer = session.answer(stream)
                holds(answer.status == 200 or answer.reset == 7, f"stream {stream}: {answer.status}, {answer.reset}")
        equal(session.answer(slow).status, 200)


@GROUP.test
def patience_ends(world):
    """A stream that does not end within the drain's time is cut off, and the router ends."""
    with world.router(drain=1) as router, Session(router) as session:
        session.request("/slow/10000")
        time.sleep(0.1)
        begun = time.monotonic()
        router.process.send_signal(signal.SIGTERM)
        router.process.wait(4)
        holds(0.5 < time.monotonic() - begun < 3, "not after the drain's time")


def closed_by_it(session):
    end = time.monotonic() + 3
    while not session.closed and time.monotonic() < end:
        session.step(0.1)
    holds(session.closed, "the connection was not closed")
