"""What became of every request, and the bounds it is held against."""

from collections import Counter
from dataclasses import dataclass, field

from world import SERVICES


@dataclass(slots=True)
class Record:
    """One request; times in seconds since the load's start. Outcomes are those of load/load.c."""

    number: int
    due: float
    latency: float
    outcome: str
    status: int
    region: str
    endpoint: str
    error: str

    @property
    def service(self):
        """Requests go to the services in turn."""
        return self.number % len(SERVICES)

    @property
    def ended(self):
        return self.due + self.latency

    @property
    def failed(self):
        return self.outcome != "ok"

    def __str__(self):
        answer = f"status {self.status}" if self.status else "no status"
        origin = f" from {self.region}/{self.endpoint}" if self.region else ""
        error = f", x-spillway-error: {self.error}" if self.error else ""
        what = f"{self.outcome} after {self.latency:.3f} s, {answer}{origin}{error}"
        return f"q{self.number} due {self.due:.3f} s: {what}"


@dataclass
class Outcomes:
    """All requests of a test, when the fault began and ended, what the backends executed, what the router counted, and
    what it says it decided (with what in its journal is no decision)."""

    records: list
    idle_closed: list
    fault: float
    healed: float | None
    executed: list
    rate: float
    notes: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    decisions: list = field(default_factory=list)
    torn: list = field(default_factory=list)

    def __post_init__(self):
        # Also those that were in flight when the fault began.
        self.after = [record for record in self.records if record.ended >= self.fault]
        self.before = [record for record in self.records if record.ended < self.fault]

    def failed(self, records=None):
        return [record for record in (self.after if records is None else records) if record.failed]

    def latency(self, fraction):
        """Nearest-rank percentile of the latency of requests since the fault, seconds."""
        ordered = sorted(record.latency for record in self.after)
        return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))] if ordered else 0.0

    def shares(self, records):
        """Part of the answered requests each region answered."""
        answered = Counter(record.region for record in records if record.region)
        total = sum(answered.values()) or 1
        return {region: count / total for region, count in sorted(answered.items())}

    def last(self, seconds):
        end = max(record.due for record in self.records)
        return [record for record in self.records if record.due > end - seconds]

    def duplicates(self):
        """Ids that were executed more than once."""
        return sorted(identity for identity, times in Counter(self.executed).items() if times > 1)

    def reasons(self):
        """How requests failed, most frequent first."""
        counted = Counter(
            " ".join(filter(None, [r.outcome, str(r.status) if r.outcome == "status" else "", r.error]))
            for r in self.failed()
        )
        return ", ".join(f"{count} × {reason}" for reason, count in counted.most_common())

    def timeline(self):
        """One line a second: where requests were answered, how many failed, the slowest."""
        lines = []
        for second in range(int(max(record.due for record in self.records)) + 1):
            within = [record for record in self.records if second <= record.due < second + 1]
            regions = Counter(record.region or "nowhere" for record in within)
            where = " ".join(f"{region} {count}" for region, count in sorted(regions.items()))
            slowest = max((record.latency for record in within), default=0) * 1000
            failed = sum(record.failed for record in within)
            mark = " ← fault" if int(self.fault) == second else ""
            mark += " ← healed" if self.healed is not None and int(self.healed) == second else ""
            lines.append(f"  {second:3d} s  {where:30s} failed {failed:4d}  slowest {slowest:7.1f} ms{mark}")
        return "\n".join(lines)


def read_records(path):
    """(records, times at which the proxy closed idle connections) of a file written by the load program."""
    records, idle_closed = [], []
    for line in path.read_text().splitlines():
        fields = line.split("\t")
        if fields[0] == "closed":
            idle_closed.append(int(fields[1]) / 1e6)
            continue
        number, due, latency, outcome, status, region, endpoint, error = fields
        due, latency = int(due) / 1e6, int(latency) / 1e6
        records.append(Record(int(number), due, latency, outcome, int(status), region, endpoint, error))
    return records, idle_closed


@dataclass
class Check:
    """A bound, and whether it was kept."""

    passed: bool
    text: str


# Bounds: each makes a function from Outcomes to Check.


def failed_at_most(limit):
    def check(outcomes):
        number = len(outcomes.failed())
        return Check(number <= limit, f"{number} failed, at most {limit}")

    return check


def failed_at_most_seconds(seconds):
    """As many as this many seconds of requests."""

    def check(outcomes):
        number, limit = len(outcomes.failed()), seconds * outcomes.rate
        return Check(number <= limit, f"{number} failed, at most {limit:.0f} ({seconds} s of requests)")

    return check


def failed_of_services_at_most(services, seconds):
    """Of each of these services, as many as this many seconds of its requests; of the others none."""

    def check(outcomes):
        counted = Counter(record.service for record in outcomes.failed())
        limit = seconds * outcomes.rate / len(SERVICES)
        passed = all(number <= (limit if service in services else 0) for service, number in counted.items())
        found = ", ".join(f"svc{service} {number}" for service, number in sorted(counted.items())) or "none"
        return Check(passed, f"failed: {found}; at most {limit:.0f} of each of {sorted(services)}, none of the others")

    return check


def shed(record):
    return record.error == "shed"


def failed_share_at_most_after(share, seconds):
    def check(outcomes):
        late = [r for r in outcomes.after if r.due >= outcomes.fault + seconds]
        number = len(outcomes.failed(late))
        limit = share * len(late)
        return Check(number <= limit, f"{number} failed of {len(late)} due {seconds} s after the fault or later, at most {limit:.0f}")

    return check


def only_shed_of(services):
    """What failed was shed, and of these services."""

    def check(outcomes):
        wrong = [r for r in outcomes.failed() if not (shed(r) and r.service in services)]
        first = f", first: {wrong[0]}" if wrong else ""
        return Check(not wrong, f"{len(wrong)} failed that were not shed, or of other services, at most 0{first}")

    return check


def shed_within(milliseconds):
    def check(outcomes):
        times = sorted(r.latency * 1000 for r in outcomes.after if shed(r))
        p99 = times[int(0.99 * len(times))] if times else 0.0
        return Check(bool(times) and p99 < milliseconds, f"{len(times)} shed, 99 % within {p99:.2f} ms, wanted {milliseconds} ms")

    return check


def noted_at_most(name, limit):
    """A figure the fault itself has noted."""

    def check(outcomes):
        found = outcomes.notes.get(name)
        return Check(found is not None and found <= limit, f"{name}: {found}, at most {limit}")

    return check


def noted_at_least(name, limit):
    """The same from below."""

    def check(outcomes):
        found = outcomes.notes.get(name)
        return Check(found is not None and found >= limit, f"{name}: {found}, at least {limit}")

    return check


def none_slow_of(services, milliseconds):
    """No request of these services took longer, since the fault."""

    def check(outcomes):
        slow = [r for r in outcomes.after if r.service in services and r.latency * 1000 > milliseconds]
        first = f", first: {slow[0]}" if slow else ""
        return Check(not slow, f"{len(slow)} of services {sorted(services)} over {milliseconds} ms, at most 0{first}")

    return check


def none_failed_after(seconds):
    def check(outcomes):
        late = [r for r in outcomes.failed() if r.due >= outcomes.fault + seconds]
        return Check(not late, f"{len(late)} failed of those due {seconds} s after the fault or later, at most 0")

    return check


def only_in_flight_failed():
    """Only requests whose answers had begun when the fault was complete may have failed, visibly: broken
    off, or closed when the head had come as far as the router."""

    def check(outcomes):
        visible = ("aborted", "closed")
        wrong = [r for r in outcomes.failed() if r.outcome not in visible or r.due >= outcomes.complete]
        return Check(not wrong, f"{len(wrong)} failed that were not within their answer at the fault, at most 0")

    return check


# What is said of an attempt that an endpoint had been sent: to repeat it might have been to do it twice.
SENT = {"upstream-reset", "malformed-response", "response-timeout", "request-timeout", "truncated"}


def only_sent_failed():
    """What failed had been sent to an endpoint."""

    def check(outcomes):
        wrong = [r for r in outcomes.failed() if r.error not in SENT and r.outcome != "aborted"]
        first = f", first: {wrong[0]}" if wrong else ""
        return Check(not wrong, f"{len(wrong)} failed of which nothing had been sent, at most 0{first}")

    return check


def only_executed_failed():
    """What failed had been executed: to repeat it would have been to do it twice."""

    def check(outcomes):
        executed = set(outcomes.executed)
        wrong = [r for r in outcomes.failed() if f"q{r.number}" not in executed]
        first = f", first: {wrong[0]}" if wrong else ""
        return Check(not wrong, f"{len(wrong)} failed that were not executed, at most 0{first}")

    return check


def each_failure_counted():
    """The router knows of each request that failed: it answered it itself, or cut its answer off."""

    def check(outcomes):
        failed = len(outcomes.failed(outcomes.records))
        answered = outcomes.metrics.get("spillway_service_failures_total", 0)
        cut_off = outcomes.metrics.get("spillway_listener_truncated_total", 0)
        text = f"{failed} failed; the router counted {answered:.0f} answered itself, {cut_off:.0f} cut off, together as many"
        return Check(failed == answered + cut_off, text)

    return check


def p99_at_most(milliseconds):
    def check(outcomes):
        p99 = outcomes.latency(0.99) * 1000
        return Check(p99 <= milliseconds, f"p99 {p99:.1f} ms, at most {milliseconds} ms")

    return check


def none_executed_twice():
    def check(outcomes):
        twice = outcomes.duplicates()
        return Check(not twice, f"{len(twice)} executed more than once, at most 0")

    return check


def none_corrupt():
    def check(outcomes):
        number = sum(record.outcome == "corrupt" for record in outcomes.records)
        return Check(number == 0, f"{number} truncated or mixed-up bodies presented as whole, at most 0")

    return check


def share_since_fault(region, least):
    def check(outcomes):
        share = outcomes.shares(outcomes.after).get(region, 0.0)
        return Check(share >= least, f"{share:.1%} answered by {region} since the fault, at least {least:.0%}")

    return check


def share_at_end(region, least):
    def check(outcomes):
        share = outcomes.shares(outcomes.last(3)).get(region, 0.0)
        return Check(share >= least, f"{share:.1%} answered by {region} in the last 3 s, at least {least:.0%}")

    return check


def share_after_heal(region, least, seconds):
    """Of what was due so long after the end of the fault, or later."""

    def check(outcomes):
        late = [record for record in outcomes.records if record.due >= outcomes.healed + seconds]
        share = outcomes.shares(late).get(region, 0.0)
        text = f"{share:.1%} answered by {region} of what was due {seconds} s after its end or later, at least {least:.0%}"
        return Check(share >= least, text)

    return check


def none_failed_after_heal(seconds):
    def check(outcomes):
        late = [record for record in outcomes.failed() if record.due >= outcomes.healed + seconds]
        first = f", first: {late[0]}" if late else ""
        return Check(not late, f"{len(late)} failed of those due {seconds} s after its end or later, at most 0{first}")

    return check


def caught_up_within(seconds):
    """What was due during the fault is answered so soon after its end."""

    def check(outcomes):
        latest = max((r.ended - outcomes.healed for r in outcomes.after if r.due < outcomes.healed), default=0.0)
        text = f"what was due before its end is answered {latest:.2f} s after it, at most {seconds} s"
        return Check(latest <= seconds, text)

    return check


def decided_after_heal():
    def check(outcomes):
        number = sum(decision.time >= outcomes.healed for decision in outcomes.decisions)
        return Check(number > 0, f"{number} decisions journalled after its end, at least 1")

    return check


def no_idle_connection_closed():
    def check(outcomes):
        number = len(outcomes.idle_closed)
        return Check(number == 0, f"{number} client connections closed while idle, at most 0")

    return check


def noted(name, expected):
    """A figure the fault itself has noted."""

    def check(outcomes):
        found = outcomes.notes.get(name)
        return Check(found == expected, f"{name}: {found}, expected {expected}")

    return check
