"""The storms. Each is a function of a kind of connection, whose docstring says what is done and what the router must make
of it. It raises when that did not happen."""

import os
import random
import select
import socket
import struct
import time
from dataclasses import dataclass
from typing import Callable

import frames
from kinds import Wrong
from scene import PATIENCE_SECONDS, SILENT_TUNNEL_SECONDS

EVERY_KIND = ("http", "https", "h2", "h2s", "tcp", "passthrough")
HTTP_KINDS = ("http", "https", "h2", "h2s")
# What the router may take beyond its patience, on a machine that does much else.
GRACE_SECONDS = 4
LARGE = "/bytes/20000000"


@dataclass
class Storm:
    name: str
    sentence: str
    act: Callable
    kinds: tuple
    # Descriptors allow one kind at a time only.
    one_by_one: bool = False


STORMS = []


def storm(kinds, one_by_one=False):
    """A decorator."""

    def register(function):
        sentence = " ".join(function.__doc__.split())
        STORMS.append(Storm(function.__name__.replace("_", "-"), sentence, function, kinds, one_by_one))
        return function

    return register


def holds(condition, what):
    if not condition:
        raise Wrong(what)


def reset(connected):
    """Closes so that the other side sees a reset."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connected.close()


def end_sending(connected):
    """Below TLS, which would have a word to say."""
    socket.socket.shutdown(connected, socket.SHUT_WR)


def quietly(act, *arguments):
    """The other side may have ended the connection already: then nothing is done."""
    try:
        act(*arguments)
    except (OSError, ValueError):
        pass


def must_end(connections, seconds, what):
    """Each is ended by the other side, whatever it says before."""
    poll, left = select.poll(), {}
    for connected in connections:
        left[connected.fileno()] = connected
        poll.register(connected, select.POLLIN)
    number, end = len(left), time.monotonic() + seconds
    while left and (rest := end - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(rest * 1000):
            try:
                # Below TLS: only the end matters.
                part = os.read(descriptor, 65536)
            except OSError:
                part = b""
            if not part:
                poll.unregister(descriptor)
                left.pop(descriptor).close()
    for connected in left.values():
        connected.close()
    holds(not left, f"{len(left)} of {number} {what} were not ended within {seconds:.0f} s")


def must_fail(clients, seconds, what):
    """None of them has a whole answer, and each is told so."""
    end = time.monotonic() + seconds
    for client in clients:
        try:
            client.answer()
            raise AssertionError(f"{what} was answered")
        except TimeoutError:
            raise Wrong(f"{what} was neither answered nor refused") from None
        except (OSError, Wrong):
            client.close()
    holds(time.monotonic() < end, f"{what} was refused too late")


def beginning(kind):
    """The first bytes of a request, too few for it."""
    if kind.http2:
        head = frames.headers(1, kind.target.request(more=[("x-long", "y" * 1000)]))
        return frames.PREFACE + frames.settings() + head[:-1]
    return b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"y" * 1000


def parts_of_beginnings(kind):
    """What a client may have said when it says no more, and whether that is within TLS."""
    parts = [(False, b"")]
    if kind.tls:
        hello = kind.hello()
        parts += [(False, hello[:3]), (False, hello[:100])]
    if kind.tunnel:
        return parts
    start = beginning(kind)
    parts += [(kind.tls, start[:3]), (kind.tls, start)]
    # The handshake is begun, and never ended.
    return parts + ([(False, hello)] if kind.tls else [])


def begin(kind, within_tls, said):
    connected = kind.open() if within_tls else kind.dial()
    if said:
        quietly(connected.sendall, said)
    return connected


@storm(EVERY_KIND, one_by_one=True)
def idle(kind, scene):
    """3,000 clients that have been answered stay, silent; those that ask again are answered again."""
    number = 3_000
    clients = []
    for _ in range(number):
        clients.append(kind.visit())
        clients[-1].get()
    open_now = scene.open_connections(kind)
    holds(open_now >= number, f"{open_now:.0f} of {number} connections are open")
    time.sleep(1)
    for client in clients[::10]:
        client.get()
    for client in clients:
        client.close()


@storm(EVERY_KIND)
def flood(kind, scene):
    """2,000 connections are made and closed, as fast as it goes; where there is TLS, 200 after the handshake."""
    for _ in range(2_000):
        kind.dial().close()
    shaken = 200 if kind.tls else 0
    for _ in range(shaken):
        kind.open().close()


@storm(EVERY_KIND)
def resets(kind, scene):
    """Clients reset their connections: 1,000 at once, 300 within what comes first, 100 within an answer."""
    for _ in range(1_000):
        reset(kind.dial())
    parts = parts_of_beginnings(kind)
    for number in range(300):
        reset(begin(kind, *parts[number % len(parts)]))
    for _ in range(100):
        client = kind.visit()
        client.ask(LARGE)
        client.take()
        reset(client.socket)


@storm(("http", "https", "h2", "h2s", "passthrough"))
def left_beginnings(kind, scene):
    """Heads and handshakes are begun and left, 100 at each place: all are ended in time."""
    connections = [begin(kind, *part) for part in parts_of_beginnings(kind) for _ in range(100)]
    must_end(connections, PATIENCE_SECONDS + GRACE_SECONDS, "that said no more")


@storm(("http", "https", "h2", "h2s", "passthrough"))
def slow_heads(kind, scene):
    """What comes first comes byte by byte, on 200 connections: patience is with the whole of it."""
    said, start = kind.hello() if kind.tunnel else beginning(kind), 0
    if kind.http2:
        start = len(frames.PREFACE) + len(frames.settings())
    connections = [begin(kind, kind.tls and not kind.tunnel, said[:start]) for _ in range(200)]
    end = time.monotonic() + PATIENCE_SECONDS + 0.5
    while time.monotonic() < end:
        for connected in connections:
            quietly(connected.sendall, said[start : start + 1])
        start += 1
        time.sleep(0.05)
    must_end(connections, GRACE_SECONDS, "that spoke too slowly")


@storm(HTTP_KINDS)
def slow_bodies(kind, scene):
    """Bodies come byte by byte: 100 to their end, which are answered, and 100 not, which are refused in time."""
    octets = 50
    clients = [kind.visit() for _ in range(200)]
    for client in clients:
        client.ask("/slow/0", "POST", f"Content-Length: {octets}\r\n")
    ending, leaving = clients[::2], clients[1::2]
    for number in range(octets):
        for client in ending + (leaving if number < octets // 2 else []):
            client.say(b"x", ends=number == octets - 1)
        time.sleep(0.05)
    for client in ending:
        client.answer()
        client.close()
    time.sleep(PATIENCE_SECONDS)
    must_fail(leaving, GRACE_SECONDS, "half a body")


@storm(EVERY_KIND)
def slow_readers(kind, scene):
    """Large answers are taken slowly by 10 clients, which get on, and not at all by 10, which are let go in time."""
    taking, leaving = ([kind.visit() for _ in range(10)] for _ in range(2))
    for client in taking + leaving:
        client.ask(LARGE)
        # What all the buffers on the way take at once is no part of the storm.
        time.sleep(0.05)
    end = time.monotonic() + PATIENCE_SECONDS + 2
    while time.monotonic() < end:
        for client in taking:
            client.take()
        time.sleep(0.025)
    # A tunnel's client may be silent as long as it likes.
    if not kind.tunnel:
        must_fail(leaving, GRACE_SECONDS, "a reader that took nothing")
    for client in taking + leaving:
        client.close()


@storm(EVERY_KIND)
def half_closes(kind, scene):
    """Clients end their half of the connection: after a request, which is answered where that can be, within it, and before;
    servers end theirs, and what they said comes whole."""
    if not kind.http2 and not kind.tls:
        for _ in range(100):
            client = kind.visit()
            client.ask("/")
            end_sending(client.socket)
            client.answer()
            must_end([client.socket], GRACE_SECONDS, "answered clients that had ended their half")
    connections = [begin(kind, *part) for part in parts_of_beginnings(kind) for _ in range(50)]
    for connected in connections:
        quietly(end_sending, connected)
    must_end(connections, GRACE_SECONDS, "that ended their half too early")
    server_ends(kind)
    if kind.name == "tcp":
        server_ends(scene.slow_tunnel)
        silent_halves(scene.slow_tunnel)


def server_ends(kind):
    """The server says where its answer ends by ending its half of the connection."""
    if kind.tunnel and kind.name != "slow-tunnel":
        return
    for _ in range(50):
        client = kind.visit()
        client.ask("/until-close/5000", fields="" if kind.http2 else "Connection: close\r\n")
        octets = len(client.answer()) if kind.http2 else client.rest().count(b"x")
        holds(octets == 5_000, f"{octets} bytes of 5000 came")
        client.close()


def silent_halves(kind):
    """Tunnels of which one half has ended and the other has fallen silent end in time."""
    connections = []
    for _ in range(100):
        client = kind.visit()
        client.ask("/trickle/2/60000")
        client.receive()
        end_sending(client.socket)
        connections.append(client.socket)
    must_end(connections, SILENT_TUNNEL_SECONDS + GRACE_SECONDS, "silent halves of tunnels")


@storm(EVERY_KIND)
def garbage(kind, scene):
    """300 clients say what nobody can understand: all are ended in time, but in tunnels, where it is not ours to judge."""
    chance = random.Random(kind.name)
    parts = parts_of_beginnings(kind)
    connections = []
    for number in range(300):
        within_tls, said = parts[number % len(parts)]
        # However much of a frame or a record is there, the next is too large.
        said += b"\xff\xff" + chance.randbytes(chance.randrange(20, 3000))
        connections.append(begin(kind, within_tls, said))
    if kind.name == "tcp":
        time.sleep(1)
        for connected in connections:
            connected.close()
    else:
        must_end(connections, PATIENCE_SECONDS + GRACE_SECONDS, "that said garbage")
