"""The faults, as data: what happens to which backends, under which load, and what must hold from then on."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from outcome import (
    caught_up_within, decided_after_heal, each_failure_counted, failed_at_most, failed_at_most_seconds,
    failed_of_services_at_most, failed_share_at_most_after, no_idle_connection_closed, none_corrupt,
    none_executed_twice, none_failed_after, none_failed_after_heal, none_slow_of, noted, noted_at_least, noted_at_most,
    only_executed_failed, only_in_flight_failed, only_sent_failed, only_shed_of, p99_at_most, share_after_heal,
    share_at_end, share_since_fault, shed_within,
)
from world import SERVICES

# A way back that takes seconds: hold, then steps. The defaults take minutes.
QUICK_FAILBACK = {
    "hold": "2s",
    "soak": "1s",
    "soak_requests": 5,
    "steps": ["5%", "25%", "50%", "100%"],
    "ejection": "2s",
    "ejection_limit": "4s",
}


@dataclass(frozen=True)
class Scenario:
    """A test. `fault(world, outcome notes)` is called once the load is warm; `heal(world)` some seconds later."""

    name: str
    sentence: str
    fault: Callable
    checks: list
    groups: tuple = ()
    method: str = "GET"
    # Of the load, a kind that load/load.c knows: what requests go on.
    connections: str = "requests"
    rate: int = 400
    query: str = ""
    body_bytes: int = 0
    heal: Callable | None = None
    seconds_until_heal: float = 8
    seconds_after: float = 15
    table: dict = field(default_factory=dict)
    spillway_only: bool = False
    # What the journal must tell from the fault on, and what it must not: rules or kinds of change (`split`), alone or
    # with a part of the subject: ("cascade", "r1").
    story: tuple = ()
    untold: tuple = ()
    # Seconds after the fault → what `spillway explain` must say then.
    explained: dict = field(default_factory=dict)
    # What the proxy runs on: a network of its own, its state on a disk of so many bytes. Both need root.
    own_network: bool = False
    disk_bytes: int | None = None
    # Decisions find no room on the disk: replay may know more than the journal.
    loses_decisions: bool = False

    @property
    def posts(self):
        """Requests are such as must not be executed twice."""
        return self.method == "POST" or self.connections == "grpc"


def first_region(mode, **settings):
    return lambda world, notes: world.first.mode(mode, **settings)


def everywhere(mode, **settings):
    def fault(world, notes):
        for region in world.regions.values():
            region.mode(mode, **settings)

    return fault


def one_endpoint_of_each_service(mode, **settings):
    def fault(world, notes):
        for service in SERVICES:
            world.first.mode(mode, endpoint=f"{service}-0", **settings)

    return fault


def hang_one_by_one(world, notes):
    """The services of the first region begin to hang, 4 s apart."""
    start = time.monotonic()
    for number, service in enumerate(SERVICES):
        time.sleep(max(0.0, start + 4 * number - time.monotonic()))
        world.first.mode("hang", service=service)


def refuse_with_room_for(**capacities):
    """The first region refuses; the others take so many requests a second, and collapse beyond."""

    def fault(world, notes):
        for name, capacity in capacities.items():
            world.regions[name].capacity(capacity)
        world.first.mode("refuse")
        time.sleep(14)
        for name in capacities:
            notes[f"busiest second of {name}"] = world.regions[name].busiest()

    return fault


def refuse_while_others_return(world, notes):
    """No probe is answered anywhere for 4 s; when the other regions are at the first step of their way back, without
    a request, the first region refuses."""
    everywhere("healthz_hang")(world, notes)
    time.sleep(4)
    everywhere("ok")(world, notes)
    time.sleep(6)
    world.first.mode("refuse")


def fail_everywhere(world, notes):
    """Every answer anywhere is 503: how many attempts are made for each request?"""
    regions = list(world.regions.values())

    def taken():
        return sum(counts["requests"] for region in regions for counts in region.tell({"counts": True}).values())

    for region in regions:
        region.mode("errors", fraction=1.0, status=503)
    before = taken()
    time.sleep(12)
    notes["attempts for 100 requests"] = round((taken() - before) / (12 * 400) * 100)


def flap(world, notes):
    """The first region refuses for 3 s and is well for 3 s, in turn."""
    start = time.monotonic()
    for turn in range(12):
        time.sleep(max(0.0, start + 3 * turn - time.monotonic()))
        world.first.mode("ok" if turn % 2 else "refuse")
    time.sleep(3)


def return_cold(world):
    """The first region is back, and its capacity climbs from a tenth to more than all within 20 s."""
    world.first.capacity(440, **{"from": 40, "over": 20})
    world.first.mode("ok")


def freeze(world, notes):
    world.first.freeze()


def kill(world, notes):
    world.first.kill()


def stop_router(world, notes):
    world.proxy.stand_still()


def continue_router(world):
    world.proxy.go_on()


def unplug(world, notes):
    world.network.unplug()


def plug_in(world):
    world.network.plug_in()


def fall_silent(world, notes):
    world.network.fall_silent()


def hear_again(world):
    world.network.hear_again()


def refuse_on_full_disk(world, notes):
    """The disk fills up within the journal's last block, and then there is much to decide."""
    world.regions["r3"].mode("refuse")
    time.sleep(3)
    world.disk.fill()
    world.first.mode("refuse")
    time.sleep(6)
    notes["decisions lost"] = world.proxy.metric("spillway_journal_lost_total")


def free_disk_and_heal(world):
    world.disk.free()
    world.first.mode("ok")


def heal_first_region(world):
    world.first.mode("ok")


def start_first_region_again(world):
    world.first.start()


def reload_a_hundred_times(world, notes):
    """100 tables in 10 s, by signal and by change of file in turn, each with another set of endpoints; in the middle
    broken ones, that must change nothing."""
    proxy = world.proxy
    start = time.monotonic()
    refused = True
    for number in range(1, 101):
        left_out = f"{SERVICES[number % 5]}-1" if number % 2 else None
        proxy.write_table(json.dumps(proxy.table(number, left_out)))
        if number % 2:
            proxy.hang_up()
        if number in (40, 70):
            refused &= refuses_broken_tables(proxy, number)
        time.sleep(max(0.0, start + number * 0.1 - time.monotonic()))
    notes["broken tables refused"] = refused
    notes["last table in force"] = settled(proxy, 100)


def refuses_broken_tables(proxy, number):
    """Whether the table in force stays when what replaces it does not parse, or names regions that are not there."""
    settled(proxy, number)
    for broken in ('{"listeners": [', json.dumps(proxy.table(-1) | {"regions": {}})):
        proxy.write_table(broken)
        proxy.hang_up()
        time.sleep(0.2)
    return proxy.generation() == number


def settled(proxy, generation, seconds=3.0):
    """Whether a generation of the table comes into force."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if proxy.generation() == generation:
            return True
        time.sleep(0.02)
    return False


def away(name, sentence, fault, checks, **settings):
    return Scenario(
        name, sentence, fault, checks, groups=("away",), story=LEFT, untold=[*OWN, *NOT_BACK],
        explained={10: ["r1 is evacuated since", "rule cascade", "svc0 goes 100 % to r2"]}, **settings
    )


# Parts of the stories the journal must tell: (rule or kind of change, part of the subject).
LEFT = [("cascade", "r1"), *(("split", service) for service in SERVICES)]
ONE_BY_ONE = [
    ("follows-capacity", "svc0"), ("follows-capacity", "svc1"), ("cascade", "r1"), ("follows-region", "svc3"),
    ("follows-region", "svc4"),
]
ALL_THAT_NEED_THE_FIRST = [("follows-capacity", "svc0"), *(("follows-needs", service) for service in SERVICES[1:])]
PROBES_OUTRANKED = [("probe-fall-within-limit", "r1"), ("requests-outrank-probes", "r1")]
HELD = [("everything-silent", "router"), ("signs-again", "router")]
# And must not.
OWN = ["holds", "fail-open", "shed"]
NOT_BACK = ["region-restored", "region-back", "cascade-revoked", "failback-step"]
OTHERS_IMPAIRED = [(rule, region) for rule in ("cell-failures", "cell-down", "cascade") for region in ("r2", "r3")]
NOTHING_MOVES = ["split", "region", "holds", ("ceiling", "r1")]
NOTHING_CHANGES = ["split", "ceiling", "state", "region"]

# Each service calls the one before it.
CHAIN = {"services": {service: {"needs": [needed]} for needed, service in zip(SERVICES, SERVICES[1:])}}


def tunnels(name, sentence, fault, checks, protocol="tls_passthrough", **settings):
    """Connections of one service that are passed on as they come."""
    load = "tcp" if protocol == "tcp" else "tls"
    return Scenario(
        name, sentence, fault, checks, groups=("tunnels",), table={"protocol": protocol}, connections=load,
        spillway_only=True, story=[("split", SERVICES[0])], **settings
    )


# Of what may be repeated: also those that were under way, twice as many as a hundredth, need not wait for a time-out.
SAVED = [failed_at_most(0), p99_at_most(1000)]
# Of what must not be executed twice.
LOST_AND_COUNTED = [none_executed_twice(), only_sent_failed(), each_failure_counted()]


def transport(name, sentence, kind, fault, checks, query="after=0.1", endpoints_encrypted=False, **settings):
    """Requests that are answered 100 ms after they came, so that 40 are always under way: by HTTPS (and encrypted
    once more to the endpoints, or not), by HTTP/2, for WebSockets, or gRPC calls, which also go to endpoints by HTTP/2.
    After 3 s at most each has its end, so that the router counts what the load sees."""
    defaults = {"timeouts": {"response": "3s"}} | ({"protocol": "http2"} if kind == "grpc" else {})
    table = {"encrypted": kind in ("https", "h2s"), "endpoints_encrypted": endpoints_encrypted, "defaults": defaults}
    return Scenario(
        f"{name}-{kind}{'-tls' if endpoints_encrypted else ''}", sentence, fault, checks, groups=("transports", kind),
        connections=kind, query=query, table=table, spillway_only=True, seconds_after=5, story=LEFT,
        untold=[*OWN, *NOT_BACK], **settings,
    )


def cascade(name, sentence, checks, **settings):
    # What requests no longer reach they do not speak for.
    untold = [*OWN, *NOT_BACK, "requests-outrank-probes"]
    return Scenario(
        name, sentence, hang_one_by_one, checks, groups=("cascade",), seconds_after=22, untold=untold, **settings
    )


def capacity(name, sentence, fault, checks, **settings):
    return Scenario(name, sentence, fault, checks, groups=("capacity",), rate=500, **settings)


def own(name, sentence, fault, checks, **settings):
    return Scenario(name, sentence, fault, checks, groups=("own",), **settings)


IMPORTANCES = {
    service: {"importance": importance}
    for service, importance in zip(SERVICES, ["critical", "high", "normal", "low", "low"])
}


def and_back(name, sentence, fault, heal=heal_first_region):
    checks = [failed_at_most(0), share_at_end("r1", 0.95)]
    return Scenario(
        f"{name}-and-back", sentence, fault, checks, groups=("back",), heal=heal, seconds_after=32,
        table={"failover": QUICK_FAILBACK, "probe": {"every_down": "1s"}},
    )


SCENARIOS = [
    Scenario(
        "healthy", "nothing happens, and nothing fails", lambda world, notes: None,
        [failed_at_most(0), p99_at_most(20), share_since_fault("r1", 0.99), no_idle_connection_closed()],
        groups=("healthy",),
    ),
    # A region fails, each in its way: requests that may be repeated are all saved.
    away("refuse-get", "the first region refuses connections", first_region("refuse"), [failed_at_most(0)]),
    away(
        "hang-get", "the first region reads and never answers", first_region("hang"),
        [failed_at_most(0), p99_at_most(100)],
    ),
    away("freeze-get", "the first region's processes stand still", freeze, [failed_at_most(0), p99_at_most(100)]),
    away(
        "blackhole-get", "the first region does not even answer to connection attempts", first_region("blackhole"),
        [failed_at_most(0), p99_at_most(100)],
    ),
    away("reset-get", "the first region resets every request", first_region("reset"), [failed_at_most(0)]),
    away(
        "errors-get", "30 % of the first region's answers are 500", first_region("errors", fraction=0.3),
        [failed_at_most(0)],
    ),
    away(
        "slow-get", "the first region answers 2 s late", first_region("slow", seconds=2.0),
        [failed_at_most(0), p99_at_most(300)],
    ),
    away("garbage-get", "the first region answers what is not HTTP", first_region("garbage"), [failed_at_most(0)]),
    # Requests that must not be repeated: nothing is executed twice, and little is lost.
    away(
        "refuse-post", "the first region refuses connections, and requests are POST", first_region("refuse"),
        [failed_at_most(0), none_executed_twice()], method="POST",
    ),
    away(
        "hang-post", "the first region hangs, and requests are POST", first_region("hang"),
        [failed_at_most_seconds(0.5), none_executed_twice()], method="POST",
    ),
    away(
        "reset-post", "the first region executes, then resets, every POST", first_region("reset"),
        [none_executed_twice(), none_failed_after(2)], method="POST",
    ),
    # Services of the first region fail one after the other: it is left as a whole before the rest of them fails.
    cascade(
        "cascade-get", "the services of the first region begin to hang, one by one",
        [failed_at_most(0), none_slow_of({3, 4}, 40)], story=ONE_BY_ONE,
        explained={2: ["svc0 goes 100 % to r2", "Serving: r1"], 15: ["r1 is evacuated since", "svc4 goes 100 % to r2"]},
    ),
    cascade(
        "cascade-needs-get", "the same, and each service is said to need the one before it",
        [failed_at_most(0), none_slow_of({1, 2, 3, 4}, 40)], table=CHAIN, story=ALL_THAT_NEED_THE_FIRST,
        explained={2: ["svc4 goes 100 % to r2", "It needs svc0"]},
    ),
    cascade(
        "cascade-post", "the services of the first region begin to hang, one by one, and requests are POST",
        [failed_of_services_at_most({0, 1, 2}, 0.5), none_executed_twice()], method="POST",
        story=ONE_BY_ONE,
    ),
    cascade(
        "cascade-needs-post", "the same, and each service is said to need the one before it",
        [failed_of_services_at_most({0}, 0.5), none_executed_twice()], method="POST", table=CHAIN,
        story=ALL_THAT_NEED_THE_FIRST,
    ),
    # The other regions cannot take everything: none of them gets more than it can carry.
    capacity(
        "capacity-declared", "the first region refuses, and no other one alone could take its load",
        refuse_with_room_for(r2=400, r3=200), [failed_at_most(0)], table={"capacity": {"r2": 400, "r3": 200}},
        story=LEFT, untold=[*OWN, *NOT_BACK, *OTHERS_IMPAIRED, "requests-outrank-probes"],
    ),
    capacity(
        "capacity-learned", "the same, and nobody has said what they can take",
        refuse_with_room_for(r2=400, r3=200), [failed_share_at_most_after(0.02, 3)],
        story=LEFT, untold=["holds", *((rule, "r1") for rule in NOT_BACK)],
    ),
    capacity(
        "capacity-shed", "the first region refuses, and the others have room for 60 % of its load",
        refuse_with_room_for(r2=200, r3=100),
        [
            only_shed_of({2, 3, 4}), shed_within(5), noted_at_most("busiest second of r2", 200),
            noted_at_most("busiest second of r3", 100),
        ],
        table={"capacity": {"r2": 200, "r3": 100}, "services": IMPORTANCES},
        story=[*LEFT, ("shed", "svc3"), ("shed", "svc4")],
        explained={8: ["r1 is evacuated since", "% is shed, refused at once"]},
        untold=[
            "holds", "fail-open", ("shed", "svc0"), ("shed", "svc1"), *NOT_BACK, *OTHERS_IMPAIRED,
            "requests-outrank-probes",
        ],
    ),
    capacity(
        "capacity-returning", "the first region refuses while the others, with room for all, are on their way back",
        refuse_while_others_return, [failed_at_most(0)], seconds_after=25,
        story=LEFT, untold=OWN, table={"capacity": {"r2": 1000, "r3": 1000}, "failover": {"hold": "2s"}},
    ),
    Scenario(
        "errors-everywhere", "every answer anywhere is 503: retries do not multiply the load", fail_everywhere,
        [noted_at_most("attempts for 100 requests", 120), noted_at_least("attempts for 100 requests", 100)],
        groups=("capacity",),
    ),
    # A region that comes and goes, and one that comes back cold.
    Scenario(
        "flap", "the first region is away for 3 s and there for 3 s, for 36 s", flap, [failed_at_most(0)],
        groups=("flap",), seconds_after=40, story=LEFT,
        untold=[*OWN, "failback-step", "region-back", "requests-outrank-probes"],
    ),
    Scenario(
        "cold-return", "the first region comes back, and its capacity climbs from 10 % to 110 % in 20 s",
        first_region("refuse"), [failed_share_at_most_after(0.001, 0), share_at_end("r1", 0.95)],
        groups=("flap",), heal=return_cold, seconds_after=60,
        story=[
            *LEFT, ("region-restored", "r1"), ("failback-step", "svc0 in r1"), ("failback-done", "svc0 in r1"),
            ("region-back", "r1"),
        ],
        untold=[*OWN, *OTHERS_IMPAIRED],
        table={"failover": QUICK_FAILBACK, "probe": {"every_down": "1s"}},
    ),
    # The region heals, and traffic returns without an error.
    and_back("refuse", "the first region refuses for 8 s", first_region("refuse")),
    and_back("hang", "the first region hangs for 8 s", first_region("hang")),
    and_back("reset", "the first region resets every request for 8 s", first_region("reset")),
    and_back("errors", "30 % of the first region's answers are 500 for 8 s", first_region("errors", fraction=0.3)),
    and_back("slow", "the first region answers 2 s late for 8 s", first_region("slow", seconds=2.0)),
    and_back("kill", "the first region's processes are killed and start again", kill, start_first_region_again),
    # Health checks that lie, either way.
    Scenario(
        "healthz-bad", "/healthz fails everywhere while requests succeed", everywhere("healthz_bad"),
        [failed_at_most(0), share_since_fault("r1", 0.99)], groups=("health",),
        story=PROBES_OUTRANKED, untold=NOTHING_MOVES,
    ),
    Scenario(
        "healthz-only", "/healthz is fine in the first region while its requests fail", first_region("healthz_only"),
        [none_failed_after(1)], groups=("health",),
        story=[("cell-failures", "r1"), *LEFT], untold=[*OWN, *NOT_BACK, "probe-fall"],
    ),
    # The fault is the router's own, or nobody's: nothing moves.
    own(
        "blind", "no probe is answered anywhere while requests succeed", everywhere("healthz_hang"),
        [failed_at_most(0), share_since_fault("r1", 0.99)], story=PROBES_OUTRANKED, untold=NOTHING_MOVES,
    ),
    own(
        "blind-first", "no probe is answered in the first region, for longer than the velocity limit's minute",
        first_region("healthz_hang"), [failed_at_most(0), share_since_fault("r1", 0.99)], seconds_after=75,
        story=PROBES_OUTRANKED, untold=[*NOTHING_MOVES, ("ceiling", "r2"), ("ceiling", "r3")],
    ),
    own(
        "stopped", "the router stands still for 5 s and goes on", stop_router,
        [failed_at_most(0), caught_up_within(2), share_after_heal("r1", 0.99, 0)],
        heal=continue_router, seconds_until_heal=5, spillway_only=True,
        story=[("stalled", "router")], untold=NOTHING_CHANGES,
    ),
    own(
        "unplugged", "the router's own network is unplugged for 5 s", unplug,
        [none_failed_after_heal(2), share_after_heal("r1", 0.99, 2)],
        heal=plug_in, seconds_until_heal=5, own_network=True, spillway_only=True, story=HELD,
        explained={4: ["Nothing anywhere shows itself"], 12: ["All is as preferred"]},
        untold=NOTHING_CHANGES,
    ),
    own(
        "cut-off", "the router's own network says nothing for 5 s", fall_silent,
        [none_failed_after_heal(2), share_after_heal("r1", 0.99, 2.5)],
        heal=hear_again, seconds_until_heal=5, own_network=True, spillway_only=True, story=HELD,
        explained={4: ["Nothing anywhere shows itself"], 12: ["All is as preferred"]},
        untold=NOTHING_CHANGES,
    ),
    own(
        "full-disk", "the disk of the state directory is full while the first region refuses", refuse_on_full_disk,
        [failed_at_most(0), noted_at_least("decisions lost", 1), decided_after_heal()],
        story=[("probe-fall", "r3"), ("failback-step", "svc0 in r1"), ("region-back", "r1")],
        untold=[*OWN, ("cascade", "r2")],
        heal=free_disk_and_heal, seconds_until_heal=10, seconds_after=32, disk_bytes=1 << 20, loses_decisions=True,
        spillway_only=True,
        table={"failover": QUICK_FAILBACK, "probe": {"every_down": "1s"}},
    ),
    # Changing the table.
    Scenario(
        "reloads", "100 tables in 10 s, broken ones among them", reload_a_hundred_times,
        [
            failed_at_most(0), no_idle_connection_closed(), noted("broken tables refused", True),
            noted("last table in force", True),
        ],
        groups=("reloads",), spillway_only=True,
    ),
    # An answer is whole, or visibly not.
    Scenario(
        "kill-get", "the first region's processes are killed within their answers", kill,
        [none_corrupt(), only_in_flight_failed()],
        groups=("integrity",), rate=100, query="size=32768&over=0.3&framing=mixed", body_bytes=32768,
    ),
    Scenario(
        "kill-post", "the first region's processes are killed within their answers to POST", kill,
        [none_corrupt(), none_executed_twice(), none_failed_after(1)],
        groups=("integrity",), rate=100, query="size=32768&over=0.3&framing=mixed", body_bytes=32768, method="POST",
    ),
    Scenario(
        "truncated-get", "the first region ends its answers within the body", first_region("truncate"),
        [none_corrupt(), none_failed_after(2)],
        groups=("integrity",), query="size=4096&framing=mixed", body_bytes=4096,
    ),
    Scenario(
        "truncated-post", "the first region ends its answers to POST within the body", first_region("truncate"),
        # An endpoint that broke a POST off rests for 2 s; whether it is well again only another can show.
        [none_corrupt(), none_executed_twice(), none_failed_after(3)],
        groups=("integrity",), query="size=4096&framing=mixed", body_bytes=4096, method="POST",
    ),
    tunnels(
        "refuse-tcp", "the first region refuses connections that are passed on", first_region("refuse"),
        [none_failed_after(0), p99_at_most(100)], protocol="tcp",
    ),
    tunnels(
        "blackhole-tcp", "the first region does not even answer to connection attempts", first_region("blackhole"),
        [failed_at_most_seconds(0.1), none_failed_after(1)], protocol="tcp",
    ),
    tunnels(
        "hang-tcp", "the first region accepts and never answers; what was said is not said twice",
        first_region("hang"), [failed_at_most_seconds(0.5)], protocol="tcp",
    ),
    tunnels(
        "reset-tcp", "the first region resets connections that have said something", first_region("reset"),
        [none_failed_after(2)], protocol="tcp",
    ),
    tunnels(
        "refuse-tls", "the first region refuses TLS connections that are passed on", first_region("refuse"),
        [none_failed_after(0), p99_at_most(100)],
    ),
    tunnels(
        "hang-tls", "the first region reads ClientHellos and never answers", first_region("hang"),
        [none_failed_after(0), p99_at_most(100)],
    ),
    tunnels(
        "reset-tls", "the first region resets whoever has said a ClientHello", first_region("reset"),
        [none_failed_after(0), p99_at_most(100)],
    ),
    tunnels(
        "blackhole-tls", "the first region does not even answer to connection attempts", first_region("blackhole"),
        [none_failed_after(0)],
    ),
    # Requests under way when it happens, on every transport: what may be repeated is saved; of the rest, what had been
    # sent fails, and the router counts each.
    *(
        transport(name, sentence, kind, fault, SAVED)
        for kind in ("https", "h2", "h2s", "websocket")
        for name, sentence, fault in [
            ("refuse", "the first region refuses connections", first_region("refuse")),
            ("hang", "the first region reads and never answers", first_region("hang")),
            ("reset", "the first region resets every request", first_region("reset")),
            ("blackhole", "the first region does not even answer to connection attempts", first_region("blackhole")),
        ]
    ),
    *(
        transport(name, sentence, "https", fault, SAVED, endpoints_encrypted=True)
        for name, sentence, fault in [
            ("refuse", "the first region refuses encrypted connections", first_region("refuse")),
            ("reset", "the first region resets every encrypted request", first_region("reset")),
            ("freeze", "the first region's processes stand still, and shake nobody's hand", freeze),
        ]
    ),
    *(
        transport(name, sentence, kind, fault, [*LOST_AND_COUNTED, only_executed_failed(), *checks], method="POST")
        for kind in ("https", "h2")
        for name, sentence, fault, checks in [
            (
                "hang-post", "the first region hangs, and requests are POST", first_region("hang"),
                [none_failed_after(1)],
            ),
            (
                "reset-post", "the first region executes, then resets, every POST", first_region("reset"),
                [none_failed_after(2)],
            ),
        ]
    ),
    *(
        transport(
            "kill", "the first region's processes are killed within their answers", kind, kill,
            [none_corrupt(), only_in_flight_failed(), each_failure_counted()],
            query="size=32768&over=0.3&framing=mixed", body_bytes=32768, rate=100,
        )
        for kind in ("https", "h2", "h2s")
    ),
    transport(
        "refuse", "the first region refuses connections, and breaks off those with calls", "grpc",
        first_region("refuse"), [*LOST_AND_COUNTED, none_failed_after(0.5)],
    ),
    transport(
        "hang", "the first region takes calls and never answers", "grpc", first_region("hang"),
        [*LOST_AND_COUNTED, only_executed_failed(), none_failed_after(1)],
    ),
    transport(
        # The calls that had been sent on a connection break with it, executed or not.
        "reset", "the first region executes, then resets, every call", "grpc", first_region("reset"),
        [*LOST_AND_COUNTED, none_failed_after(2)],
    ),
    transport(
        "blackhole", "the first region does not even answer to connection attempts", "grpc", first_region("blackhole"),
        [*LOST_AND_COUNTED, none_failed_after(1)],
    ),
    transport(
        "refuse-streams", "the first region takes on no call any more", "grpc", first_region("refuse_streams"),
        [*SAVED, none_executed_twice()],
    ),
    transport(
        "unavailable", "the first region answers calls UNAVAILABLE", "grpc", first_region("errors", status=503),
        [*SAVED, none_executed_twice()],
    ),
    Scenario(
        "dying-post", "one endpoint of each service executes POSTs and resets", one_endpoint_of_each_service("reset"),
        [none_executed_twice(), none_failed_after(2)], groups=("integrity",), method="POST",
    ),
]
# One of each sort, for what runs with every change.
QUICK = {
    "healthy", "refuse-get", "hang-get", "slow-get", "hang-post", "reset-and-back", "healthz-bad", "healthz-only",
    "reloads", "kill-get", "dying-post", "refuse-tcp", "hang-tls", "hang-https", "reset-h2", "hang-grpc",
}
GROUPS = {group: {s.name for s in SCENARIOS if group in s.groups} for s in SCENARIOS for group in s.groups}
GROUPS["quick"] = QUICK
