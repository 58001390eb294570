"""gRPC: grpcio's client and servers, and raw streams where the answer must be the router's own."""

import contextlib
import functools
import os
import signal
import threading
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authority import Authority
from group import Group, equal, holds, wait_for
from grpc_server import MESSAGE_LIMIT, SERVICE, GRPCServer
from router import Router, route, service
from session import Session


def table(first, second, tls=None):
    spoken = {"protocol": "http2", "tls": tls or "none"}
    often = {"every": "100ms", "every_suspect": "50ms", "every_down": "100ms"}
    services = {
        "echo": service(first.port, second.port, **spoken),
        "probed": service([first.port, second.port], probe={"grpc": SERVICE, "tls": bool(tls), **often}, **spoken),
        "gone": service(1, protocol="http2"),
    }
    routes = [route("/gone.Service", "gone"), route("/grpc.health.v1.Health", "probed"), route(f"/{SERVICE}", "echo")]
    return services, routes


@contextlib.contextmanager
def world(directory, binary, encrypted=False):
    authority = Authority(directory) if encrypted else None
    credentials = authority and authority.grpc_server()
    with GRPCServer("first", credentials) as first, GRPCServer("second", credentials) as second:
        known = table(first, second, authority and authority.trusted)
        listener = {"tls": authority.listener} if encrypted else {}

        def fresh():
            own = Router(directory, binary, *known, listener=listener)
            own.credentials = authority and authority.grpc_client()
            return own

        with fresh() as router:
            router.first, router.second, router.fresh = first, second, fresh
            yield router


GROUP = Group("grpc", world)
SECURE = Group("grpc-tls", functools.partial(world, encrypted=True))
GROUPS = [GROUP, SECURE]


@contextlib.contextmanager
def calls(router):
    """A channel through the router, as a function from a method's name to what calls it."""
    # Of its own, not shared with other tests' channels to the same address.
    options = [("grpc.use_local_subchannel_pool", 1), *MESSAGE_LIMIT]
    make = grpc.insecure_channel
    if router.credentials:
        make = functools.partial(grpc.secure_channel, credentials=router.credentials)
    with make(f"127.0.0.1:{router.port}", options=options) as channel:
        kinds = {"ServerStream": "unary_stream", "FailsLate": "unary_stream", "ClientStream": "stream_unary", "Both": "stream_stream"}
        yield lambda method: getattr(channel, kinds.get(method, "unary_unary"))(f"/{SERVICE}/{method}")


def failure(call):
    """The error a call ends with."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


@GROUP.test
@SECURE.test
def unary(router):
    """Unary calls, their metadata and trailing metadata."""
    with calls(router) as method:
        metadata = [("x-given", "kept"), ("x-raw-bin", bytes(range(256)))]
        answer, call = method("Unary").with_call(b"hello", metadata=metadata, timeout=5)
        equal(answer, b"hello")
        equal(dict(call.initial_metadata()).get("x-server"), "first")
        trailing = dict(call.trailing_metadata())
        equal((trailing.get("x-given"), trailing.get("x-raw-bin")), ("kept", bytes(range(256))))
        equal(method("Unary")(b"", timeout=5), b"")


@GROUP.test
@SECURE.test
def server_streaming(router):
    """A stream of 10,000 messages comes whole and in order."""
    with calls(router) as method:
        got = [int(message) for message in method("ServerStream")(b"10000", timeout=20)]
        equal(got, list(range(10_000)))


@GROUP.test
def client_streaming(router):
    """A stream of 10,000 messages goes up whole."""
    with calls(router) as method:
        messages = (b"x" * 100 for _ in range(10_000))
        equal(method("ClientStream")(messages, timeout=20), b"1000000")


@GROUP.test
@SECURE.test
def both_streaming(router):
    """Messages go back and forth, each sent once the last has come back, 2,000 times."""
    with calls(router) as method:
        turn = threading.Semaphore(1)

        def messages():
            for number in range(2_000):
                turn.acquire()
                yield b"%d" % number

        came = 0
        for message in method("Both")(messages(), timeout=30):
            equal(int(message), came)
            came += 1
            turn.release()
        equal(came, 2_000)


@GROUP.test
@SECURE.test
def large_messages(router):
    """Messages of 10 MB, both ways."""
    message = os.urandom(10_000_000)
    with calls(router) as method:
        equal(method("Unary")(message, timeout=20) == message, True)


@GROUP.test
@SECURE.test
def many(router):
    """2,000 calls, a hundred at once."""
    with calls(router) as method:
        under_way = []
        for number in range(2_000):
            under_way.append((b"%d" % number, method("Unary").future(b"%d" % number, timeout=20)))
            if len(under_way) >= 100:
                sent, future = under_way.pop(0)
                equal(future.result(), sent)
        for sent, future in under_way:
            equal(future.result(), sent)


@GROUP.test
@SECURE.test
def statuses(router):
    """The service's statuses and messages come through: at once, and after messages."""
    with calls(router) as method:
        error = failure(lambda: method("Fails")(b"", timeout=5))
        equal((error.code(), error.details()), (grpc.StatusCode.FAILED_PRECONDITION, "not so: ä %"))
        got = []
        error = failure(lambda: got.extend(method("FailsLate")(b"", timeout=5)))
        equal((got, error.code(), error.details()), ([b"one", b"two"], grpc.StatusCode.DATA_LOSS, "that was all"))
        error = failure(lambda: method("Nothing")(b"", timeout=5))
        equal(error.code(), grpc.StatusCode.UNIMPLEMENTED)


@GROUP.test
def deadline_seen(router):
    """The service is told how much time there is."""
    with calls(router) as method:
        left = float(method("Deadline")(b"", timeout=5))
        holds(4 < left < 5.1, f"{left} s left")


@GROUP.test
@SECURE.test
def deadline_passed(router):
    """A deadline that passes ends the call, and the service's part in it."""
    with router.fresh() as own, calls(own) as method:
        begun = time.monotonic()
        error = failure(lambda: method("Waits")(b"3.01", timeout=0.3))
        equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        holds(time.monotonic() - begun < 1, "took too long")
        holds(router.first.wait_for_cancelled(b"3.01", 1.5), "the service was not told")


def raw_call(session, path, fields=(), message=b"\0\0\0\0\x015"):
    content = [("content-type", "application/grpc"), ("te", "trailers"), *fields]
    return session.request(path, "POST", content, message)


def raw_status(answer):
    """(HTTP status, gRPC status) of an answer, wherever it is."""
    told = dict(answer.fields or []) | dict(answer.trailers or [])
    return answer.status, told.get("grpc-status")


@GROUP.test
def deadline_of_ours(router):
    """`grpc-timeout` bounds the router's patience, too: it answers 4, DEADLINE_EXCEEDED, by itself."""
    with Session(router) as session:
        begun = time.monotonic()
        stream = raw_call(session, f"/{SERVICE}/Waits", [("grpc-timeout", "400m")])
        answer = session.answer(stream, 5)
        equal(raw_status(answer), (200, "4"))
        holds(time.monotonic() - begun < 1.5, "took too long")


@GROUP.test
def deadline_within_answer(router):
    """A call whose deadline comes within its answer ends with 4, DEADLINE_EXCEEDED, and that is not the endpoint's fault."""
    with router.fresh() as own, Session(own) as session:
        asked = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "150m")]
        for _ in range(8):
            stream = session.request(f"/{SERVICE}/Both", "POST", asked, b"\0\0\0\0\x015", end=False)
            answer = session.answer(stream, 5)
            equal((raw_status(answer), bytes(answer.body)), ((200, "4"), b"\0\0\0\0\x015"))
        equal(own.metric("spillway_grpc_responses_total", region="r1", status="DEADLINE_EXCEEDED"), 8)
        equal(own.metric("spillway_listener_truncated_total"), 0)
        first = f"127.0.0.1:{router.first.port}"
        equal(own.metric("spillway_endpoint_state", service="echo", endpoint=first, state="healthy"), 1)
        for outcome in ("reset", "truncated", "response-timeout", "gateway-error", "server-error"):
            equal(own.metric("spillway_endpoint_outcomes_total", service="echo", outcome=outcome), 0, outcome)


@GROUP.test
def too_much_metadata(router):
    """Metadata over the limit of heads is answered 8, RESOURCE_EXHAUSTED."""
    with Session(router) as session:
        asked = [("content-type", "application/grpc"), ("te", "trailers"), ("x-large", "x" * 40_000)]
        equal(raw_status(session.answer(session.request(f"/{SERVICE}/Unary", "POST", asked))), (200, "8"))
        equal(raw_status(session.answer(raw_call(session, f"/{SERVICE}/Unary")))[0], 200)


@GROUP.test
@SECURE.test
def cancelled(router):
    """A cancelled call is cancelled at the service."""
    with router.fresh() as own, calls(own) as method:
        before = router.first.echo.called.count("Waits")
        call = method("Waits").future(b"4.01", timeout=10)
        wait_for(lambda: router.first.echo.called.count("Waits") > before, 3, "the service was not called")
        call.cancel()
        holds(router.first.wait_for_cancelled(b"4.01"), "the service was not told")


@GROUP.test
def many_cancelled(router):
    """A client that cancels every other of 600 calls is no attacker."""
    with calls(router) as method:
        for _ in range(300):
            call = method("Waits").future(b"0.5", timeout=10)
            equal(method("Unary")(b"on", timeout=5), b"on")
            call.cancel()


@GROUP.test
def many_deadlines(router):
    """A client whose calls reach their deadlines by the hundred, as while a service hangs, keeps its connection."""
    with router.fresh() as own, calls(own) as method:
        for _ in range(10):
            under_way = [method("Waits").future(b"0.5", timeout=0.3) for _ in range(90)]
            for call in under_way:
                equal(call.exception(timeout=5).code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        equal(method("Unary")(b"on", timeout=5), b"on")
        told = [line for line in own.admin("/metrics").splitlines() if line.startswith("spillway_listener_abuses_total")]
        holds(told and all(line.endswith(" 0") for line in told), told)


@GROUP.test
def nobody_there(router):
    """Where no endpoint can be reached the answer is 14, UNAVAILABLE, and no HTTP error."""
    with Session(router) as session:
        answer = session.answer(raw_call(session, "/gone.Service/Call"))
        equal(raw_status(answer), (200, "14"))
        equal(router.metric("spillway_grpc_responses_total", service="gone", status="UNAVAILABLE"), 1)
        equal(dict(answer.fields).get("content-type", "")[:16], "application/grpc")


@GROUP.test
def no_route(router):
    """Where no route leads the answer is 12, UNIMPLEMENTED."""
    with Session(router) as session:
        equal(raw_status(session.answer(raw_call(session, "/nowhere.Service/Call"))), (200, "12"))


@GROUP.test
@SECURE.test
def unavailable(router):
    """UNAVAILABLE of one region is tried again in the next."""
    before = router.first.echo.called.count("Unary")
    router.first.echo.unavailable = True
    try:
        with router.fresh() as own, calls(own) as method:
            for _ in range(20):
                answer, call = method("Unary").with_call(b"again", timeout=5)
                equal((answer, dict(call.initial_metadata()).get("x-server")), (b"again", "second"))
    finally:
        router.first.echo.unavailable = False
    holds(router.first.echo.called.count("Unary") > before, "the first region was not asked")


@GROUP.test
def counted(router):
    """Outcomes are counted by gRPC status."""
    with calls(router) as method:
        failure(lambda: method("Fails")(b"", timeout=5))
    end = time.monotonic() + 2
    while time.monotonic() < end:
        told = [line for line in router.admin("/metrics").splitlines() if "grpc" in line and not line.startswith("#")]
        if any("9" in line.split("}")[0] or "FAILED_PRECONDITION" in line.upper() for line in told):
            return
        time.sleep(0.1)
    raise AssertionError(f"no metric of gRPC status 9: {told}")


@GROUP.test
def health_service(router):
    """grpc.health.v1 can be called through the router."""
    with grpc.insecure_channel(f"127.0.0.1:{router.port}") as channel:
        asked = health_pb2.HealthCheckRequest(service=SERVICE)
        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=5)
        equal(answer.status, health_pb2.HealthCheckResponse.SERVING)


@GROUP.test
@SECURE.test
def health_probe(router):
    """An endpoint whose health service says NOT_SERVING gets no more, and is back once it says SERVING."""
    named = {"service": "probed", "endpoint": f"127.0.0.1:{router.first.port}"}
    state = lambda name: router.metric("spillway_endpoint_state", state=name, **named)
    wait_for(lambda: state("healthy") == 1, 10, "not healthy at first")
    router.first.serving(False)
    try:
        wait_for(lambda: state("down") == 1, 5, "not down")
    finally:
        router.first.serving(True)
    wait_for(lambda: state("down") == 0, 10, "not back")


@GROUP.test
def drain(router):
    """A call under way when the end is ordered is finished."""
    with router.fresh() as own, calls(own) as method:
        equal(method("Unary")(b"there", timeout=5), b"there")
        call = method("Waits").future(b"1", timeout=10)
        time.sleep(0.3)
        own.process.send_signal(signal.SIGTERM)
        equal(call.result(), b"1")
        equal(own.process.wait(5), 0, "exit status")


@GROUP.test
@SECURE.test
def region_lost(router):
    """When the first region's service is gone, new calls are answered by the second, none lost."""
    with router.fresh() as own, calls(own) as method:
        _, call = method("Unary").with_call(b"before", timeout=5)
        equal(dict(call.initial_metadata()).get("x-server"), "first")
        router.first.stop()
        try:
            for number in range(200):
                equal(method("Unary")(b"%d" % number, timeout=5), b"%d" % number)
        finally:
            router.first.start()
