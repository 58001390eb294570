"""What the router says it decided, and whether that is the story of what happened."""

import json
from dataclasses import dataclass
from datetime import datetime

from outcome import Check


@dataclass
class Decision:
    """A line of the journal; `time` in seconds since the load's start."""

    time: float
    sequence: int
    subject: str
    change: str
    rule: str
    before: object
    after: object
    evidence: dict

    def __str__(self):
        evidence = ", ".join(f"{name} {value}" for name, value in self.evidence.items())
        change = f"{self.change} {self.before} → {self.after}"
        return f"{self.time:.2f} s {self.subject}: {change} ({self.rule}: {evidence})"


PARTS = {"service": "", "endpoint": " at ", "region": " in "}


def read_decision(line, load_start):
    """`load_start`: seconds since 1970."""
    entry = json.loads(line)
    time = datetime.fromisoformat(entry["time"].replace("Z", "+00:00")).timestamp() - load_start
    where = [word + entry[part] for part, word in PARTS.items() if part in entry]
    before, after = ([entry[side], entry.get(f"shed_{side}", 0)] if entry["change"] == "split" else entry[side]
                     for side in ("before", "after"))
    return Decision(
        time, entry["sequence"], "".join(where).removeprefix(" in ") or entry["subject"], entry["change"], entry["rule"], before, after,
        entry["evidence"],
    )


def read_journal(state, load_start):
    """(decisions in order, lines that are none)."""
    decisions, torn = [], []
    for name in ("decisions.1.jsonl", "decisions.jsonl"):
        file = state / name
        for line in file.read_text(errors="replace").splitlines() if file.exists() else []:
            try:
                decisions.append(read_decision(line, load_start))
            except (ValueError, KeyError):
                torn.append(line)
    return decisions, torn


def matches(decision, entry):
    """An entry is a rule or a kind of change, alone or with a part of the subject."""
    what, subject = entry if isinstance(entry, tuple) else (entry, "")
    return what in (decision.rule, decision.change) and subject in decision.subject


def name(entry):
    return " of ".join(entry) if isinstance(entry, tuple) else entry


def story_checks(decisions, torn, fault, told, untold):
    """The journal is whole, says nothing while all is well, then what is `told`, and nothing of what is `untold`."""
    checks = [Check(not torn, f"{len(torn)} lines of the journal are no decision, at most 0" + first(torn))]
    early = [decision for decision in decisions if decision.time < fault]
    checks.append(Check(not early, f"{len(early)} decisions before the fault, at most 0" + first(early)))
    later = [decision for decision in decisions if decision.time >= fault]
    missing = [name(entry) for entry in told if not any(matches(decision, entry) for decision in later)]
    if told:
        expected = ", ".join(map(name, told))
        found = f"; missing: {', '.join(missing)}" if missing else ""
        checks.append(Check(not missing, f"the journal tells: {expected}{found}"))
    for entry in untold:
        wrong = [decision for decision in later if matches(decision, entry)]
        checks.append(Check(not wrong, f"{len(wrong)} decisions of the kind {name(entry)}, at most 0" + first(wrong)))
    return checks


def first(things):
    return f", first: {things[0]}" if things else ""
