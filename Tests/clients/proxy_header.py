"""The PROXY protocol's header, as a proxy before the router writes it and an endpoint behind it reads it."""

import ipaddress
import struct
from dataclasses import dataclass

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(client, port, there=("192.0.2.80", 443)):
    family = "TCP6" if ":" in client else "TCP4"
    return f"PROXY {family} {client} {there[0]} {port} {there[1]}\r\n".encode()


def v2(client, port, there=("192.0.2.80", 443), extensions=b""):
    source, destination = ipaddress.ip_address(client), ipaddress.ip_address(there[0])
    body = source.packed + destination.packed + struct.pack(">HH", port, there[1]) + extensions
    return SIGNATURE + bytes([0x21, 0x11 if source.version == 4 else 0x21]) + struct.pack(">H", len(body)) + body


@dataclass
class Told:
    """Who the client is said to be; (None, None) where a proxy speaks for itself."""

    version: int
    client: tuple


def read(connected):
    """Takes a header off a socket, and not a byte more. Raises ValueError if there is none."""
    start = exactly(connected, len(SIGNATURE))
    if start != SIGNATURE:
        while not start.endswith(b"\r\n"):
            start += exactly(connected, 1)
        word, _, source, _, port, _ = start.decode("latin-1").split()
        if word != "PROXY":
            raise ValueError(repr(start))
        return Told(1, (source, int(port)))
    command, family, length = struct.unpack(">BBH", exactly(connected, 4))
    body = exactly(connected, length)
    if command == 0x20:
        return Told(2, (None, None))
    width = {0x11: 4, 0x21: 16}[family]
    return Told(2, (str(ipaddress.ip_address(body[:width])), struct.unpack_from(">H", body, 2 * width)[0]))


def exactly(connected, count):
    octets = b""
    while len(octets) < count:
        part = connected.recv(count - len(octets))
        if not part:
            raise ValueError(f"the end after {octets!r}")
        octets += part
    return octets
