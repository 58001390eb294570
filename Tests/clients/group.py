"""Tests and groups of them: a function is a test, its name and docstring say what it proves."""

import time
from dataclasses import dataclass, field
from typing import Callable


@dataclass
class Test:
    name: str
    sentence: str
    run: Callable


@dataclass
class Group:
    """Tests that share a world: `world(directory, binary)` is a context manager."""

    name: str
    world: Callable
    tests: list = field(default_factory=list)

    def test(self, function):
        """A decorator."""
        name = f"{self.name}-{function.__name__.replace('_', '-')}"
        self.tests.append(Test(name, " ".join(function.__doc__.split()).rstrip("."), function))
        return function

    def again(self, name, world):
        """The same tests in another world."""
        other = Group(name, world)
        for test in self.tests:
            other.test(test.run)
        return other

    def chosen(self, names):
        if not names or self.name in names:
            return self.tests
        return [test for test in self.tests if test.name.startswith(tuple(names))]


def equal(found, due, what=""):
    if found != due:
        shown = f"{found!r:.300} where {due!r:.300} was due"
        raise AssertionError(f"{what}: {shown}" if what else shown)


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.05)
