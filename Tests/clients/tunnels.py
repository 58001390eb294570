"""Tunnels: those open where nothing is sent any more, what is said before an endpoint is there, and how they end."""

import concurrent.futures
import contextlib
import random
import socket
import ssl
import time

from authority import Authority
from drain import Nobody
from group import Group, equal, holds, wait_for
from measure import free_port
from router import Router, route, service
from session import Session
from tcp_server import TCPServer
from websocket_server import WebSocketServer
from websocket_tests import TEXT, frame, open_extended, said, upgrade

AFTER_SECONDS = 2
CHOICES = {"keep": "keep", "close": "close", "after": {"close_after": f"{AFTER_SECONDS}s"}}
# What is kept of what a client says first.
KEPT = 16 * 1024


def listener(port, protocol, **more):
    return {"bind": f"127.0.0.1:{port}", "protocol": protocol} | more


class OnSocket:
    """A tunnel that has a client's connection of its own."""

    def __init__(self, connected, framed=False):
        self.socket = connected
        self.sent = frame(TEXT, b"hello") if framed else b"hello"
        self.due = frame(TEXT, b"hello", masked=False) if framed else b"hello"

    def speak(self):
        """Says something that comes back."""
        self.socket.settimeout(5)
        self.socket.sendall(self.sent)
        came = b""
        while len(came) < len(self.due):
            part = self.socket.recv(100)
            holds(part, f"the end after {came!r}")
            came += part
        equal(came, self.due)

    def end(self, seconds):
        """How it ends within so many seconds."""
        self.socket.settimeout(seconds)
        try:
            # Of the connection itself: Python calls a reset within TLS an end.
            return "end" if socket.socket.recv(self.socket, 1, socket.MSG_PEEK) == b"" else "more"
        except TimeoutError:
            return "open"
        except ConnectionResetError:
            return "reset"


class OnStream:
    """A WebSocket on a stream of HTTP/2."""

    def __init__(self, session, path):
        self.session, self.stream, self.words = session, open_extended(session, path), 0
        equal(session.answers[self.stream].status, 200)

    def speak(self):
        self.words += 1
        self.session.send(self.stream, frame(TEXT, b"word %d" % self.words), end=False)
        said(self.session, self.stream, frame(TEXT, b"word %d" % self.words, masked=False))

    def end(self, seconds):
        answer = self.session.answers[self.stream]
        with contextlib.suppress(AssertionError):
            self.session.wait(lambda: answer.over, seconds)
        return "reset" if answer.reset is not None else "end" if answer.ended else "open"


class Scene:
    """Servers in two regions, the router before them, and a tunnel of each kind for each choice of `on_failover`."""

    def __init__(self, directory, binary, **settings):
        self.directory, self.binary, self.settings = directory, binary, settings
        self.tunnels, self.places = {}, contextlib.ExitStack()

    def __enter__(self):
        try:
            self.open()
        except Exception:
            self.places.close()
            raise
        return self

    def open(self):
        enter, authority = self.places.enter_context, Authority(self.directory)
        context = authority.server_context()
        makes = {"chat": WebSocketServer, "tcp": TCPServer, "tls": lambda: TCPServer(context=context)}
        self.first = {kind: enter(make()) for kind, make in makes.items()}
        self.second = {kind: enter(make()) for kind, make in makes.items()}
        ports = {choice: free_port() for choice in CHOICES}
        edge = free_port()
        listeners = {f"tcp-{choice}": listener(port, "tcp") for choice, port in ports.items()}
        listeners["edge"] = listener(edge, "tls_passthrough")
        routes = [route(f"/{choice}", f"chat-{choice}") for choice in CHOICES]
        for choice in CHOICES:
            routes.append({"match": {"listener": f"tcp-{choice}"}, "to": f"tcp-{choice}"})
            routes.append({"match": {"listener": "edge", "host": f"{choice}.test"}, "to": f"tls-{choice}"})
        services = self.services(self.first, self.second)
        made = Router(self.directory, self.binary, services, routes, listeners=listeners)
        self.router, client = enter(made), authority.client_context()
        client.check_hostname = False
        self.session = enter(Session(self.router))
        for choice, port in ports.items():
            chat = enter(self.router.dial())
            chat.sendall(upgrade(f"/{choice}"))
            head = chat.recv(4096)
            holds(head.startswith(b"HTTP/1.1 101") and head.endswith(b"\r\n\r\n"), head)
            passed = client.wrap_socket(self.router.dial(edge), server_hostname=f"{choice}.test")
            self.tunnels["upgrade", choice] = OnSocket(chat, framed=True)
            self.tunnels["stream", choice] = OnStream(self.session, f"/{choice}")
            self.tunnels["tcp", choice] = OnSocket(enter(self.router.dial(port)))
            self.tunnels["tls", choice] = OnSocket(enter(passed))
        self.speak(*CHOICES)
        for kind, server in self.second.items():
            came = server.paths if kind == "chat" else [bytes(one.said) for one in server.connections if one.said]
            equal(came, [], f"{kind}: what came to the second region")

    def __exit__(self, *problem):
        return self.places.__exit__(*problem)

    @property
    def kinds(self):
        return dict.fromkeys(kind for kind, _ in self.tunnels)

    def services(self, *regions):
        """Of each kind and choice one, with an endpoint in each region."""
        return {
            f"{kind}-{choice}": service(*(of[kind].port for of in regions), on_failover=told, **self.settings)
            for kind in regions[0]
            for choice, told in CHOICES.items()
        }

    def speak(self, *choices):
        for (_, choice), tunnel in self.tunnels.items():
            if choice in choices:
                tunnel.speak()

    def ends(self, choice, seconds):
        return {kind: tunnel.end(seconds) for (kind, of), tunnel in self.tunnels.items() if of == choice}

    def closed_as_chosen(self):
        """`close` at once, `close_after` when its time is over, `keep` not at all: with a reset, not all being said."""
        begun = time.monotonic()
        equal(self.ends("close", 5), dict.fromkeys(self.kinds, "reset"), "close")
        at_once = time.monotonic() - begun
        holds(at_once < 0.8 * AFTER_SECONDS, f"closed after {at_once} s")
        self.speak("keep", "after")
        equal(self.ends("after", 3 * AFTER_SECONDS), dict.fromkeys(self.kinds, "reset"), "close_after")
        after = time.monotonic() - begun
        holds(0.8 * AFTER_SECONDS < after < 3 * AFTER_SECONDS, f"closed after {after} s")
        self.speak("keep")
        equal(self.router.metric("spillway_tunnels_ended_total", reason="failover"), 8)


@contextlib.contextmanager
def world(directory, binary):
    nobody = Nobody()
    nobody.directory, nobody.binary = directory, binary
    nobody.scene = lambda **settings: Scene(directory, binary, **settings)
    yield nobody


GROUP = Group("tunnels", world)


def share(router, name):
    return router.metric("spillway_split_ratio", service=name, region="r1")


@GROUP.test
def region_drained(world):
    """Tunnels in a region drained by an order are kept, closed, or closed after a while, as their service says."""
    with world.scene() as scene:
        scene.router.order("drain", region="r1")
        scene.closed_as_chosen()


@GROUP.test
def endpoints_lost(world):
    """The same when the region is left because probes of its endpoints fail."""
    often = {"tcp": True, "every": "100ms", "every_suspect": "50ms", "fall": 2}
    with world.scene(probe=often, failover={"probe_removal": "100%"}) as scene:
        for server in scene.first.values():
            server.stop_listening()
        scene.closed_as_chosen()


@GROUP.test
def endpoint_removed(world):
    """The same when the endpoint is no longer in the table, though the region is served."""
    with world.scene() as scene:
        scene.router.services = scene.services(scene.second)
        scene.router.reload()
        scene.closed_as_chosen()


@GROUP.test
def region_back_in_time(world):
    """A region that has traffic again before `close_after` is over keeps its tunnels."""
    with world.scene() as scene:
        shares = lambda: [share(scene.router, f"{kind}-after") for kind in scene.first]
        scene.router.order("drain", region="r1")
        wait_for(lambda: not any(shares()), 5, "not drained")
        scene.router.order("undrain", region="r1")
        wait_for(lambda: all(shares()), 0.8 * AFTER_SECONDS, "not back")
        time.sleep(1.5 * AFTER_SECONDS)
        scene.speak("after", "keep")
        equal(scene.router.metric("spillway_tunnels_ended_total", reason="failover"), 4)


@contextlib.contextmanager
def unanswering():
    """A port that answers no connect: its backlog is full."""
    with contextlib.ExitStack() as places:
        listening = places.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = places.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@contextlib.contextmanager
def passing(world, services, **settings):
    """A router with a listener of bytes for each service, of its name, where `settings` says more of it."""
    ports = {name: free_port() for name in services}
    listeners = {name: listener(port, "tcp", **settings.get(name, {})) for name, port in ports.items()}
    routes = [{"match": {"listener": name}, "to": name} for name in services]
    with Router(world.directory, world.binary, services, routes, listeners=listeners) as router:
        router.ports = ports
        yield router


@GROUP.test
def first_words(world):
    """What a client says before there is an endpoint comes whole and in order to the second; 16 KiB of it are kept."""
    sizes, chance = (1, KEPT - 1, KEPT, KEPT + 1, 100_000, 1_000_000), random.Random(16)
    patient = {
        "retry": {"budget": "100%", "hedge_after": "off"},
        "failover": {"consecutive_failures": 1000},
        "timeouts": {"connect": "2s"},
    }
    authority = Authority(world.directory)
    with unanswering() as silent, TCPServer(answer=None) as server:
        services = {name: service(silent, server.port, **patient) for name in ("silent", "decrypted")}
        services["refusing"] = service(1, server.port, **patient)
        with passing(world, services, decrypted={"tls": authority.listener}) as router:
            sent = {(name, size): chance.randbytes(size) for name in services for size in sizes}

            def speak(name, octets):
                client = router.dial(router.ports[name])
                if name == "decrypted":
                    client = authority.client_context().wrap_socket(client, server_hostname="clients.test")
                with client:
                    client.sendall(octets)
                    say_last(client)
                    server.wait_for(lambda connections: any(one.said == octets and one.ended for one in connections))

            with concurrent.futures.ThreadPoolExecutor(len(sent)) as threads:
                spoken = [threads.submit(speak, name, octets) for (name, _), octets in sent.items()]
                kept = sum(min(size, KEPT) for size in sizes)
                received = lambda: router.metric("spillway_listener_received_bytes_total", listener="silent")
                wait_for(lambda: received() >= kept, 1.8, "what can be kept is not")
                equal(received(), kept, "octets kept")
            for one in spoken:
                one.result()
            came = [bytes(connection.said) for connection in server.connections]
            for (name, size), octets in sent.items():
                holds(octets in came, f"{name}: {size} octets did not come as they were sent")
            equal({connection.ended for connection in server.connections}, {"end"})
            outcomes = lambda name, outcome: router.metric(
                "spillway_endpoint_outcomes_total", service=name, region="r1", outcome=outcome
            )
            for name in ("silent", "decrypted"):
                equal(outcomes(name, "connect-timeout"), len(sizes), f"{name}: connects without an answer")
            # Who has refused is left alone for a moment.
            holds(outcomes("refusing", "connect-failed") > 0, "nothing was refused")


def say_last(client):
    """Tells the end of what is said, in TLS's way where that is spoken, which waits for the other's."""
    if isinstance(client, ssl.SSLSocket):
        client.unwrap()
    else:
        client.shutdown(socket.SHUT_WR)


@GROUP.test
def truncated_by_client(world):
    """An end within TLS is told to the endpoint as an end, one of the connection alone as a reset."""
    authority = Authority(world.directory)
    with TCPServer() as server:
        with passing(world, {"tcp": service(server.port)}, tcp={"tls": authority.listener}) as router:
            # The second is what cuts off: an end of the connection that TLS knows nothing of.
            for number, ends in enumerate([say_last, lambda client: client.shutdown(socket.SHUT_WR)]):
                client = router.dial(router.ports["tcp"])
                with authority.client_context().wrap_socket(client, server_hostname="clients.test") as client:
                    OnSocket(client).speak()
                    ends(client)
                    server.wait_for(lambda connections: connections[number].ended)
            equal([connection.ended for connection in server.connections], ["end", "reset"])
            equal(router.metric("spillway_tunnels_ended_total", reason="client-reset"), 1)


@GROUP.test
def truncated_by_endpoint(world):
    """The same from an endpoint that is spoken to by TLS."""
    authority = Authority(world.directory)
    answers = {
        b"hello": lambda connection: connection.socket.sendall(b"hello"),
        b"end": lambda connection: say_last(connection.socket),
        b"cut": lambda connection: connection.socket.shutdown(socket.SHUT_WR),
    }
    answer = lambda connection, octets: answers[octets](connection)
    with TCPServer(answer, authority.server_context()) as server:
        with passing(world, {"tcp": service(server.port, tls=authority.trusted)}) as router:
            for word, due in ((b"end", "end"), (b"cut", "reset")):
                with router.dial(router.ports["tcp"]) as client:
                    tunnel = OnSocket(client)
                    tunnel.speak()
                    client.sendall(word)
                    equal(tunnel.end(5), due, word)
            equal(router.metric("spillway_tunnels_ended_total", reason="server-reset"), 1)


@GROUP.test
def service_removed(world):
    """A service that is no longer in the table has its tunnels end as it said; those of others stay."""
    with world.scene() as scene:
        router = scene.router
        router.services = {name: told for name, told in router.services.items() if not name.startswith("chat")}
        router.services["other"] = service(1)
        router.routes = [told for told in router.routes if "listener" in told["match"]] + [route("/", "other")]
        router.reload()
        of = lambda kind, choice: scene.tunnels[kind, choice]
        equal([of(kind, "close").end(3) for kind in ("upgrade", "stream")], ["reset", "reset"], "close")
        of("upgrade", "after").speak()
        of("stream", "after").speak()
        equal([of(kind, "after").end(3 * AFTER_SECONDS) for kind in ("upgrade", "stream")], ["reset", "reset"], "close_after")
        for kind, choice in scene.tunnels:
            if choice == "keep" or kind in ("tcp", "tls"):
                of(kind, choice).speak()


@GROUP.test
def removed_and_regained(world):
    """An endpoint that has left the table is left after `close_after`, also when its region, drained before, has traffic again."""
    with world.scene() as scene:
        router = scene.router
        reloads = lambda: router.metric("spillway_reloads_total", outcome="accepted")
        shares = lambda: [share(scene.router, f"{kind}-after") for kind in scene.first]
        begun = time.monotonic()
        router.order("drain", region="r1")
        wait_for(lambda: not any(shares()), 5, "not drained")
        before = reloads()
        for told in router.services.values():
            # Both regions have the second's servers.
            told["endpoints"] = dict.fromkeys(("r1", "r2"), told["endpoints"]["r2"])
        router.reload()
        wait_for(lambda: reloads() > before, AFTER_SECONDS, "not reloaded")
        router.order("undrain", region="r1")
        wait_for(lambda: all(shares()), AFTER_SECONDS, "not back")
        holds(time.monotonic() - begun < AFTER_SECONDS, "too slow to show anything")
        equal(scene.ends("after", 3 * AFTER_SECONDS), dict.fromkeys(scene.kinds, "reset"), "close_after")
