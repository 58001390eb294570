"""An HTTP/2 client connection made of the h2 library and a socket, that does what it is told step by step."""

import ssl
import time

import h2.config
import h2.connection
import h2.events
import h2.settings


def outliving_goaway(machine):
    """GOAWAY says that the end is near; streams under way go on, where h2 holds that everything is over."""
    states, inputs = h2.connection.ConnectionState, h2.connection.ConnectionInputs
    stays = {(states.CLIENT_OPEN, inputs.RECV_GOAWAY): (None, states.CLIENT_OPEN)}
    machine._transitions = machine._transitions | stays


class Answer:
    """What has come on one stream so far."""

    def __init__(self):
        self.informational = []
        self.fields = None
        self.trailers = None
        self.body = bytearray()
        self.ended = False
        self.reset = None

    @property
    def status(self):
        return int(dict(self.fields)[":status"]) if self.fields else None

    @property
    def over(self):
        return self.ended or self.reset is not None


class Session:
    """`returns_windows`: whether what came is acknowledged by itself; else the test calls `return_window`.
    `connected`: a socket to speak on, if not one that is simply dialled."""

    def __init__(self, router, window=65_535, connection_window=1 << 24, returns_windows=True, connected=None):
        self.router, self.returns_windows = router, returns_windows
        self.socket = connected or router.dial()
        configuration = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self.connection = h2.connection.H2Connection(configuration)
        outliving_goaway(self.connection.state_machine)
        self.connection.initiate_connection()
        self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.connection.increment_flow_control_window(connection_window - 65_535)
        self.answers = {}
        self.goaway = None
        self.closed = False
        self.settings_came = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        octets = self.connection.data_to_send()
        if octets:
            try:
                self.socket.sendall(octets)
            except (ConnectionError, TimeoutError):
                self.closed = True

    def request(self, path, method="GET", fields=(), body=None, end=True):
        """Sends a request, and `body` if there is one; returns its stream."""
        stream = self.connection.get_next_available_stream_id()
        named = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "clients.test")]
        self.answers[stream] = Answer()
        self.connection.send_headers(stream, named + list(fields), end_stream=end and body is None)
        self.flush()
        if body is not None:
            self.send(stream, body, end)
        return stream

    def send(self, stream, body, end=True, padding=None):
        """Sends a body as the windows allow, taking what comes meanwhile."""
        at = 0
        while at < len(body):
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if padding is not None:
                room -= padding + 1
            if room <= 0:
                self.step(10)
                if self.answers[stream].over or self.closed:
                    return
                continue
            part = body[at : at + room]
            at += len(part)
            self.connection.send_data(stream, part, end_stream=end and at == len(body), pad_length=padding)
            self.flush()
            self.step(0)
        if not body and end:
            self.connection.end_stream(stream)
            self.flush()

    def step(self, seconds):
        """Takes what comes within so many seconds. Returns whether anything did."""
        try:
            self.socket.settimeout(max(seconds, 0))
            octets = self.socket.recv(1 << 18)
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return False
        except ConnectionError:
            octets = b""
        finally:
            self.socket.settimeout(10)
        if not octets:
            self.closed = True
            return False
        for event in self.connection.receive_data(octets):
            self.take(event)
        self.flush()
        return True

    def take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings_came = True
        elif answer is None:
            return
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.informational.append(event.headers)
        elif isinstance(event, h2.events.ResponseReceived):
            answer.fields = event.headers
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.returns_windows and event.flow_controlled_length:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def return_window(self, stream, octets):
        self.connection.acknowledge_received_data(octets, stream)
        self.flush()

    def reset(self, stream, code=8):
        self.connection.reset_stream(stream, code)
        self.flush()

    def wait(self, until, seconds=10):
        """Takes what comes until the condition is true."""
        end = time.monotonic() + seconds
        while not until():
            left = end - time.monotonic()
            if left <= 0 or self.closed:
                raise AssertionError(self.told())
            self.step(min(left, 0.1))

    def told(self):
        open_streams = {stream: answer.status for stream, answer in self.answers.items() if not answer.over}
        return f"{'closed' if self.closed else 'nothing more came'}; GOAWAY {self.goaway}; not over: {open_streams}"

    def answer(self, stream, seconds=10):
        """The whole answer on a stream."""
        self.wait(lambda: self.answers[stream].over, seconds)
        return self.answers[stream]

    def get(self, path, **more):
        return self.answer(self.request(path, **more))
