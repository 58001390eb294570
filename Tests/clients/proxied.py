"""The PROXY protocol before TLS: on a listener that decrypts, on one that passes TLS through, and towards services."""

import contextlib
import socket

import proxy_header
from authority import Authority
from group import Group, equal, holds
from measure import free_port
from proxies import Origin
from router import Router, route, service
from session import Session
from tcp_server import TCPServer

TRUSTED, OTHER = "127.0.0.1", "127.0.0.2"
TELLING = {"protocol": "http", "proxy_protocol": True, "trusted_proxies": [TRUSTED]}


def say_who(connection, _):
    """An HTTP/1.1 service's answer: who its connection is said to be from."""
    if connection.said.endswith(b"\r\n\r\n"):
        body = " ".join(map(str, connection.told.client)).encode()
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@contextlib.contextmanager
def world(directory, binary):
    authority = Authority(directory)
    context, edge = authority.server_context(), free_port()
    with (
        Origin() as origin,
        TCPServer(say_who, has_header=True) as plain,
        TCPServer(say_who, context, has_header=True) as secure,
        TCPServer(context=context, has_header=True) as passed,
    ):
        services = {
            "origin": service(origin.port),
            "plain": service(plain.port, proxy_protocol="v2"),
            "secure": service(secure.port, proxy_protocol="v2", tls=authority.trusted),
            "v1": service(passed.port, proxy_protocol="v1"),
            "v2": service(passed.port, proxy_protocol="v2"),
        }
        routes = [route("/plain", "plain"), route("/secure", "secure"), route("/", "origin")]
        routes += [{"match": {"listener": "edge", "host": f"{name}.test"}, "to": name} for name in ("v1", "v2")]
        listeners = {"edge": TELLING | {"bind": f"127.0.0.1:{edge}", "protocol": "tls_passthrough"}}
        listener = TELLING | {"tls": authority.listener}
        with Router(directory, binary, services, routes, listener=listener, listeners=listeners) as router:
            router.authority, router.edge, router.passed = authority, edge, passed
            router.told = {"plain": plain, "secure": secure}
            yield router


GROUP = Group("proxy-protocol", world)


@contextlib.contextmanager
def arrive(router, header, alpn=(), port=None, name="clients.test", source=TRUSTED, together=False):
    """A client's TLS behind what a proxy says of it; in one segment if need be."""
    context = router.authority.client_context(alpn)
    context.check_hostname = name == "clients.test"
    with router.dial(port, source) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0 if together else 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, together)
        connected.sendall(header)
        with context.wrap_socket(connected, server_hostname=name) as secure:
            secure.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            if alpn:
                equal(secure.selected_alpn_protocol(), alpn[0])
            yield secure


def ask(client, path="/fields"):
    """The body of what HTTP/1.1 answers, on a connection that is kept."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: clients.test\r\n\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said:
        said += proxy_header.exactly(client, 1)
    length = next(line for line in said.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return proxy_header.exactly(client, int(length.split(b":")[1])).decode()


def forwarded(fields):
    return [line.split(": ")[1] for line in fields.lower().splitlines() if line.startswith("x-forwarded-for:")]


def refused(router, *arguments, **more):
    """Whether a client is sent away."""
    try:
        with arrive(router, *arguments, **more):
            return False
    except TimeoutError:
        return False
    except OSError:
        return True


@GROUP.test
def told_before_tls(router):
    """The client that a header names before TLS is the one that services are told of, for HTTP/1.1 and HTTP/2."""
    headers = [(proxy_header.v1, "192.0.2.7"), (proxy_header.v2, "192.0.2.8"), (proxy_header.v2, "2001:db8::9")]
    for number, (make, address) in enumerate(headers):
        there = ("2001:db8::1" if ":" in address else "192.0.2.80", 443)
        header = make(address, 4000 + number, there)
        with arrive(router, header, ["http/1.1"], together=number == 0) as client:
            equal(forwarded(ask(client)), [address], f"{make.__name__}, HTTP/1.1")
        with arrive(router, header, ["h2"], together=number == 1) as client:
            answer = Session(router, connected=client).get("/fields")
            equal(forwarded(answer.body.decode()), [address], f"{make.__name__}, HTTP/2")


@GROUP.test
def extensions(router):
    """A header of version 2 with 1,000 bytes of extensions is understood."""
    header = proxy_header.v2("192.0.2.8", 4000, extensions=b"\x04\x03\xe8" + bytes(1000))
    with arrive(router, header, ["http/1.1"]) as client:
        equal(forwarded(ask(client)), ["192.0.2.8"])


@GROUP.test
def not_trusted(router):
    """Who is not trusted is a client itself: with a header it is refused, without one it is told of as it is."""
    before = router.metric("spillway_listener_handshake_failures_total", listener="web", reason="not-tls")
    come = len(router.passed.connections)
    for make in (proxy_header.v1, proxy_header.v2):
        holds(refused(router, make("192.0.2.7", 4000), source=OTHER), f"{make.__name__} was believed")
        at_edge = {"port": router.edge, "name": "v2.test", "source": OTHER}
        holds(refused(router, make("192.0.2.7", 4000), **at_edge), f"{make.__name__} was believed and passed on")
    failed = router.metric("spillway_listener_handshake_failures_total", listener="web", reason="not-tls")
    equal(failed - before, 2, "handshakes that failed")
    equal(len(router.passed.connections), come, "connections passed on")
    with arrive(router, b"", ["http/1.1"], source=OTHER) as client:
        equal(forwarded(ask(client)), [OTHER])


@GROUP.test
def header_is_due(router):
    """Who is trusted and begins without a header is refused."""
    holds(refused(router, b""), "TLS without a header")
    holds(refused(router, b"", port=router.edge, name="v2.test"), "passed on without a header")


@GROUP.test
def passed_through(router):
    """Where TLS is passed on, the endpoint is told the same client, in the version that its service says."""
    for make, address in ((proxy_header.v1, "192.0.2.11"), (proxy_header.v2, "192.0.2.12")):
        for version in (1, 2):
            with arrive(router, make(address, 4011), port=router.edge, name=f"v{version}.test") as client:
                client.sendall(b"there?")
                equal(proxy_header.exactly(client, 6), b"there?")
                equal(router.passed.connections[-1].told, proxy_header.Told(version, (address, 4011)))
    with arrive(router, b"", port=router.edge, name="v2.test", source=OTHER) as client:
        here = client.getsockname()
        client.sendall(b"there?")
        equal(proxy_header.exactly(client, 6), b"there?")
        equal(router.passed.connections[-1].told, proxy_header.Told(2, here))


@GROUP.test
def told_to_services(router):
    """Services of HTTP/1.1 are told by version 2, before TLS too; a connection to them is one client's alone."""
    for kind, server in router.told.items():
        first, second = (proxy_header.v1(address, 4000) for address in ("192.0.2.21", "192.0.2.22"))
        with arrive(router, first) as one, arrive(router, second) as other:
            for _ in range(3):
                equal(ask(one, f"/{kind}"), "192.0.2.21 4000", kind)
                equal(ask(other, f"/{kind}"), "192.0.2.22 4000", kind)
        equal([connection.told.version for connection in server.connections], [2, 2], f"{kind}: connections")
        with arrive(router, b"", ["h2"], source=OTHER) as client, Session(router, connected=client) as session:
            equal(session.get(f"/{kind}").body.decode(), " ".join(map(str, client.getsockname())), kind)
