"""What a case waits for, and what it is satisfied with."""

from dataclasses import dataclass
from typing import Callable

import frames
from connection import ENDS, SILENCE


class Skipped(Exception):
    """The server has not what the case is about."""


@dataclass
class Outcome:
    met: bool
    told: str
    exact: bool = True


@dataclass
class Expectation:
    """Reads what comes until `accepts` is satisfied with it. `refuses` ends the waiting early: the frame that came
    decides. The connection's end satisfies where `end_will_do`, though not exactly unless `end_is_exact`."""

    text: str
    accepts: Callable
    refuses: Callable = lambda _: False
    end_will_do: bool = False
    end_is_exact: bool = False

    def wait(self, connection):
        seen = []
        while True:
            got = connection.receive()
            if got in ENDS or got == SILENCE:
                told = f"{got}, after {seen[-1]}" if seen else got
                return Outcome(self.end_will_do and got in ENDS, told, exact=self.end_is_exact)
            if self.accepts(got):
                return Outcome(True, str(got))
            if self.refuses(got):
                return Outcome(False, str(got))
            seen.append(got)


def names(codes):
    return " or ".join(frames.code_name(code) for code in codes)


def connection_error(*codes):
    """GOAWAY with one of the codes, or the connection's end (RFC 9113, section 5.4.1)."""
    accepts = lambda got: got.kind == frames.GOAWAY and got.code in codes
    return Expectation(f"GOAWAY {names(codes)}, or the end", accepts, end_will_do=True)


def stream_error(*codes):
    """RST_STREAM with one of the codes (section 5.4.2), which a connection error may replace."""
    accepts = lambda got: got.kind in (frames.RST_STREAM, frames.GOAWAY) and got.code in codes
    return Expectation(f"RST_STREAM or GOAWAY {names(codes)}, or the end", accepts, end_will_do=True)


def first(kind, text, holds=lambda _: True):
    """The first frame of the kind, for which `holds` is true."""
    right = lambda got: got.kind == kind and holds(got)
    wrong = lambda got: got.kind == kind and not holds(got)
    return Expectation(text, right, wrong)


def closed():
    return Expectation("the connection's end", lambda _: False, end_will_do=True, end_is_exact=True)


def answered(stream=1):
    return first(frames.HEADERS, f"HEADERS on {stream}", lambda got: got.stream == stream)


def settings_acknowledged():
    return first(frames.SETTINGS, "SETTINGS with ACK", lambda got: got.acknowledges)


def ping_acknowledged(payload=b"\0" * 8):
    return first(frames.PING, "PING with ACK", lambda got: got.acknowledges and got.payload == payload)


def ping_acknowledged_or_closed(payload=b"\0" * 8):
    accepts = lambda got: got.kind == frames.PING and got.acknowledges and got.payload == payload
    return Expectation("PING with ACK, or the end", accepts, end_will_do=True, end_is_exact=True)


def data_of(octets):
    return first(frames.DATA, f"DATA of {octets} octets", lambda got: len(got.payload) == octets)


def any_data():
    return first(frames.DATA, "DATA")


def answer_ended():
    """The answer's last frame, or that it is not needed any more."""
    ended = lambda got: got.ends_stream or got.kind == frames.RST_STREAM and got.code == frames.NO_ERROR
    return Expectation("the answer's last frame", ended)


@dataclass
class Case:
    """Steps, each of them bytes to send, something to wait for, or a function that makes bytes of the connection, and
    what must come of them. `bare`: without preface and settings before the first step."""

    name: str
    section: str
    sentence: str
    steps: list
    expects: Expectation
    bare: bool = False

    def run(self, connection):
        """Returns an Outcome, or raises Skipped."""
        if not self.bare and not connection.handshake():
            return Outcome(False, "no preface from the server")
        for step in self.steps:
            if isinstance(step, Expectation):
                outcome = step.wait(connection)
                if not outcome.met:
                    return Outcome(False, f"{outcome.told}, where {step.text} was due")
            else:
                connection.send(step if isinstance(step, bytes) else step(connection))
        return self.expects.wait(connection)
