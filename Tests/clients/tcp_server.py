"""A service of bytes, in threads of its own: what comes is noted and sent back."""

import contextlib
import socket
import ssl
import threading

import proxy_header


class Connection:
    """`told` is its PROXY header, `said` what came after it, `ended` how: "end", "reset" or "truncated"."""

    def __init__(self, connected):
        self.socket, self.told, self.said, self.ended = connected, None, bytearray(), None


def send_back(connection, octets):
    connection.socket.sendall(octets)


class TCPServer:
    """As long as its `with` lasts. `answer(connection, octets)` is called with what comes, if it is anything."""

    def __init__(self, answer=send_back, context=None, has_header=False):
        self.answer, self.context, self.has_header = answer, context, has_header
        self.connections, self.changed = [], threading.Condition()

    def __enter__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop_listening()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def stop_listening(self):
        """From here on it refuses; connections that are open stay."""
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self.listening.accept()
                threading.Thread(target=self.serve, args=[Connection(connected)], daemon=True).start()

    def serve(self, connection):
        try:
            if self.has_header:
                connection.told = proxy_header.read(connection.socket)
            if self.context:
                wrap = self.context.wrap_socket
                connection.socket = wrap(connection.socket, server_side=True, suppress_ragged_eofs=False)
        except (OSError, ValueError):
            # A probe, or whoever does not speak as is due.
            return connection.socket.close()
        self.note(self.connections.append, connection)
        ended = "end"
        try:
            while octets := connection.socket.recv(1 << 16):
                self.note(connection.said.extend, octets)
                if self.answer:
                    self.answer(connection, octets)
        except ssl.SSLEOFError:
            ended = "truncated"
        except OSError:
            ended = "reset"
        self.note(setattr, connection, "ended", ended)
        connection.socket.close()

    def note(self, change, *arguments):
        with self.changed:
            change(*arguments)
            self.changed.notify_all()

    def wait_for(self, condition, seconds=5):
        """Whether the condition of the connections has come true."""
        with self.changed:
            return self.changed.wait_for(lambda: condition(self.connections), seconds)
