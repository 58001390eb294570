"""A WebSocket service made of the websockets library, in threads of its own.

    /echo        sends back what comes
    /greets      sends a message at once, then as /echo
    /closes      closes with 4001 at the first message
    /silent      says nothing
    /refuses     answers the upgrade with 403
    /page        answers it with 200, and knows of no WebSocket
    anything else as /echo
"""

import http
import logging
import socket
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


class WebSocketServer:
    """As long as its `with` lasts. `codes` has how each connection was closed."""

    def __init__(self):
        self.paths, self.codes, self.open = [], [], []
        self.changed = threading.Condition()

    def handle(self, connection):
        path = connection.request.path
        with self.changed:
            self.paths.append(path)
            self.open.append(connection)
            self.changed.notify_all()
        try:
            if path.startswith("/greets"):
                connection.send("welcome")
            for message in connection:
                if path.startswith("/closes"):
                    connection.close(4001, "as told")
                elif not path.startswith("/silent"):
                    connection.send(message)
        except ConnectionClosed:
            pass
        finally:
            with self.changed:
                self.codes.append((path, connection.close_code))
                self.open.remove(connection)
                self.changed.notify_all()

    def process_request(self, connection, request):
        if request.path == "/page":
            return connection.respond(http.HTTPStatus.OK, "a page\n")
        return connection.respond(http.HTTPStatus.FORBIDDEN, "not you\n") if request.path == "/refuses" else None

    def wait_for_code(self, path, seconds=3):
        """How a connection to the path was closed; None if it was not."""
        found = lambda: [code for closed, code in self.codes if closed == path]
        with self.changed:
            self.changed.wait_for(found, seconds)
        return found()[0] if found() else None

    def stop_listening(self):
        """From here on it refuses; connections that are open stay."""
        self.server.socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        self.server = serve(
            self.handle,
            "127.0.0.1",
            0,
            process_request=self.process_request,
            select_subprotocol=lambda _, offered: "spoken" if "spoken" in offered else None,
            max_size=None,
            ping_interval=None,
            compression=None,
            # Probes connect and say nothing.
            logger=logging.Logger("quiet", logging.CRITICAL + 1),
        )
        self.port = self.server.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        for connection in list(self.open):
            connection.socket.close()
