"""A service that speaks HTTP/2 only, made of the h2 library: in a thread of its own.

    /bytes/N             N bytes
    /slow/MS             100 bytes after MS milliseconds
    /echo                what was sent, its trailers too, and `x-echoed: yes` among the trailers
    /fields              the request's fields, one a line
    /early               103, then 100 bytes
    /refused/KEY         REFUSED_STREAM at the first request for the key, then 100 bytes
    /goaway/KEY          GOAWAY that leaves the stream out at the first request, and the connection's end; then 100 bytes
    /reset/KEY           RST_STREAM INTERNAL_ERROR, always
    /held                no answer; noted when it is reset
    anything else        100 bytes
"""

import asyncio
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

BODY = b"x" * 100


class Stream:
    def __init__(self, fields):
        self.fields = fields
        self.path = dict(fields).get(":path", "/")
        self.body = bytearray()
        self.trailers = []
        self.room = asyncio.Event()


class Protocol(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        configuration = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.connection = h2.connection.H2Connection(configuration)
        self.streams = {}

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections += 1
        self.server.open.add(self)
        self.connection.initiate_connection()
        limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.streams_limit}
        self.connection.update_settings(limit)
        self.flush()

    def connection_lost(self, _):
        self.server.open.discard(self)

    def flush(self):
        self.transport.write(self.connection.data_to_send())

    def data_received(self, octets):
        try:
            events = self.connection.receive_data(octets)
        except h2.exceptions.ProtocolError as problem:
            # h2 has put a GOAWAY with what is to be sent.
            self.server.problems.append(repr(problem))
            self.flush()
            self.transport.close()
            return
        for event in events:
            self.take(event)
        self.flush()

    def take(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = Stream(event.headers)
        elif isinstance(event, h2.events.WindowUpdated):
            for waiting in self.streams.values():
                waiting.room.set()
        elif stream is None:
            return
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            asyncio.ensure_future(self.answer(event.stream_id, stream))
        elif isinstance(event, h2.events.StreamReset):
            self.server.resets.append((stream.path, int(event.error_code)))
            self.streams.pop(event.stream_id, None)

    async def answer(self, number, stream):
        words = stream.path.strip("/").split("/")
        key = "/".join(words)
        times = self.server.seen.setdefault(key, 0)
        self.server.seen[key] += 1
        try:
            if words[0] == "held":
                return
            if words[0] == "slow":
                await asyncio.sleep(int(words[1]) / 1000)
            if words[0] == "refused" and times == 0:
                self.connection.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
            elif words[0] == "reset":
                self.connection.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            elif words[0] == "goaway" and times == 0:
                self.connection.close_connection(last_stream_id=max(0, number - 2))
                self.flush()
                self.transport.close()
            elif words[0] == "early":
                self.connection.send_headers(number, [(":status", "103"), ("link", "</style.css>; rel=preload")])
                await self.send(number, stream, BODY)
            elif words[0] == "echo":
                await self.send(number, stream, bytes(stream.body), [*stream.trailers, ("x-echoed", "yes")])
            elif words[0] == "fields":
                await self.send(number, stream, "".join(f"{n}: {v}\n" for n, v in stream.fields).encode())
            elif words[0] == "bytes":
                await self.send(number, stream, b"x" * int(words[1]))
            else:
                await self.send(number, stream, BODY)
        except h2.exceptions.ProtocolError:
            # The stream or the connection is gone meanwhile.
            pass
        finally:
            if words[0] != "held":
                self.streams.pop(number, None)
            self.flush()

    async def send(self, number, stream, body, trailers=()):
        self.connection.send_headers(number, [(":status", "200"), ("content-type", "text/plain")])
        at = 0
        while at < len(body):
            room = min(self.connection.local_flow_control_window(number), self.connection.max_outbound_frame_size)
            if room <= 0:
                stream.room.clear()
                self.flush()
                await stream.room.wait()
                continue
            self.connection.send_data(number, body[at : at + room])
            at += room
            self.flush()
        if trailers:
            self.connection.send_headers(number, list(trailers), end_stream=True)
        else:
            self.connection.end_stream(number)


class HTTP2Server:
    """A server, as long as its `with` lasts: cleartext with prior knowledge, or by TLS, if a context is given."""

    def __init__(self, streams_limit=100, context=None):
        self.streams_limit, self.context = streams_limit, context
        self.connections = 0
        self.seen, self.resets, self.problems, self.open = {}, [], [], set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        made = self.loop.create_server(lambda: Protocol(self), "127.0.0.1", 0, backlog=1024, ssl=self.context)
        self.server = asyncio.run_coroutine_threadsafe(made, self.loop).result(5)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def end(self):
        self.server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
