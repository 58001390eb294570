#!/usr/bin/env python3
"""A journal's story is told from another: python3 Tests/faults/test_journal.py"""

import json
import tempfile
import unittest
from pathlib import Path

from journal import read_journal, story_checks


def line(sequence, time, rule, change, **subject):
    sides = {"before": {"r1": 10000}, "after": {"r1": 0}} if change == "split" else {"before": "a", "after": "b"}
    entry = {"sequence": sequence, "time": f"1970-01-01T00:00:{time:06.3f}Z"} | subject
    return json.dumps(entry | {"change": change, "rule": rule, "evidence": {"failures": 5}} | sides)


LINES = [
    line(1, 13.5, "hanging", "state", subject="endpoint", service="svc0", region="r1", endpoint="127.0.0.1:1"),
    line(2, 13.5, "cascade", "region", subject="region", region="r1"),
    line(3, 14, "follows-region", "split", subject="service", service="svc3"),
    line(4, 14, "everything-silent", "holds", subject="router"),
]

# What is told, what is not, when the fault was, what is appended; how many checks are broken.
CASES = {
    "nothing is asked": ((), (), 12, "", 0),
    "rules and kinds of change": (["cascade", "split", "everything-silent"], ["shed"], 12, "", 0),
    "of subjects": ([("cascade", "r1"), ("split", "svc3"), ("hanging", "svc0 at 127.0.0.1:1 in r1")], (), 12, "", 0),
    "of another subject": ([("cascade", "r2")], (), 12, "", 1),
    "something is missing": (["cascade", "shed"], (), 12, "", 1),
    "something is too much": ((), ["split", "shed"], 12, "", 1),
    "something is too much, but elsewhere": ((), [("split", "svc1")], 12, "", 0),
    "it comes too early": ((), (), 13.7, "", 1),
    "only what comes after the fault is told": (["hanging"], (), 13.7, "", 2),
    "half a line": ((), (), 12, '{"sequence":5,"time":"1970', 1),
    "a line that begins within another": ((), (), 12, '{"sequ' + LINES[0], 1),
}


class JournalTest(unittest.TestCase):
    def test_stories_are_told_from_each_other(self):
        for name, (told, untold, fault, rest, expected) in CASES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as directory:
                # The load began a second after the epoch.
                (Path(directory) / "decisions.jsonl").write_text("\n".join(LINES + [rest]))
                decisions, torn = read_journal(Path(directory), 1)
                broken = [c.text for c in story_checks(decisions, torn, fault - 1, told, untold) if not c.passed]
                self.assertEqual(len(broken), expected, broken)

    def test_the_older_file_comes_first(self):
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "decisions.1.jsonl").write_text("\n".join(LINES[:2]) + "\n")
            (Path(directory) / "decisions.jsonl").write_text("\n".join(LINES[2:]) + "\n")
            decisions, torn = read_journal(Path(directory), 0)
        self.assertEqual([decision.sequence for decision in decisions], [1, 2, 3, 4])
        self.assertEqual((decisions[2].before, decisions[2].after, torn), ([{"r1": 10000}, 0], [{"r1": 0}, 0], []))


if __name__ == "__main__":
    unittest.main()
