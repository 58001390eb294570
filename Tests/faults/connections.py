"""What a region's process serves its endpoints with: descriptors and timers, and what all connections have in common."""

import heapq
import select
import socket
import ssl
import struct
import time

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Poller:
    """Descriptors and timers: one turn calls what is due."""

    def __init__(self):
        self.epoll = select.epoll()
        self.readers = {}
        self.timers = []
        self.sequence = 0

    def watch(self, descriptor, reader):
        self.readers[descriptor] = reader
        self.epoll.register(descriptor, select.EPOLLIN)

    def forget(self, descriptor):
        if self.readers.pop(descriptor, None):
            self.epoll.unregister(descriptor)

    def after(self, seconds, action):
        self.sequence += 1
        heapq.heappush(self.timers, (time.monotonic() + seconds, self.sequence, action))

    def turn(self):
        wait = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else -1
        for descriptor, _ in self.epoll.poll(wait):
            # An earlier reader of this turn may have closed it.
            if reader := self.readers.get(descriptor):
                reader()
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            heapq.heappop(self.timers)[2]()


class Connection:
    """A connection to an endpoint. What is spoken on it is read by `advance`, from `received`."""

    def __init__(self, endpoint, connected, received=b""):
        self.endpoint = endpoint
        self.socket = connected
        self.received = received
        endpoint.connections.add(self)
        endpoint.poller.watch(connected.fileno(), self.read)

    def advance(self):
        raise NotImplementedError

    def read(self):
        while self.socket is not None:
            try:
                part = self.socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                part = b""
            if not part:
                return self.close()
            self.received += part
            self.advance()
            if not isinstance(self.socket, ssl.SSLSocket):
                return
            # What has been decrypted already is announced by nobody.

    def send(self, data):
        """Sends everything, waiting for a slow reader for a moment: what is sent here fits a socket's buffers."""
        if self.socket is None:
            return
        try:
            self.socket.settimeout(1.0)
            self.socket.sendall(data)
            self.socket.setblocking(False)
        except OSError:
            self.close()

    def hand_over(self):
        """The socket, for another who knows what is spoken on it."""
        connected, self.socket = self.socket, None
        self.endpoint.poller.forget(connected.fileno())
        self.endpoint.connections.discard(self)
        return connected

    def reset(self):
        if self.socket is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self.close()

    def close(self):
        if self.socket is not None:
            self.hand_over().close()
