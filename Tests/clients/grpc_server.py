"""A gRPC service without generated code, messages being bytes: echo in all four kinds of calls, and what goes wrong."""

import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

SERVICE = "spillway.test.Echo"
MESSAGE_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Echo(grpc.GenericRpcHandler):
    """Notes in `called` who was called, and in `cancelled` whose context ended before the call did."""

    def __init__(self, name):
        self.name = name
        self.called, self.cancelled = [], []
        self.lock = threading.Lock()
        self.unavailable = False
        self.kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "ServerStream": grpc.unary_stream_rpc_method_handler(self.server_stream),
            "ClientStream": grpc.stream_unary_rpc_method_handler(self.client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
            "Fails": grpc.unary_unary_rpc_method_handler(self.fails),
            "FailsLate": grpc.unary_stream_rpc_method_handler(self.fails_late),
            "Waits": grpc.unary_unary_rpc_method_handler(self.waits),
            "Deadline": grpc.unary_unary_rpc_method_handler(self.deadline),
        }

    def service(self, details):
        service, _, method = details.method.lstrip("/").partition("/")
        return self.kinds.get(method) if service == SERVICE else None

    def note(self, method, context):
        with self.lock:
            self.called.append(method)
        if self.unavailable:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{self.name} is not available")

    def unary(self, request, context):
        self.note("Unary", context)
        context.send_initial_metadata([("x-server", self.name)])
        given = dict(context.invocation_metadata())
        context.set_trailing_metadata([("x-given", given.get("x-given", "")), ("x-raw-bin", given.get("x-raw-bin", b""))])
        return request

    def server_stream(self, request, context):
        self.note("ServerStream", context)
        for number in range(int(request)):
            yield b"%d" % number

    def client_stream(self, requests, context):
        self.note("ClientStream", context)
        return b"%d" % sum(len(request) for request in requests)

    def both(self, requests, context):
        self.note("Both", context)
        yield from requests

    def fails(self, request, context):
        self.note("Fails", context)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so: ä %")

    def fails_late(self, request, context):
        self.note("FailsLate", context)
        yield b"one"
        yield b"two"
        context.abort(grpc.StatusCode.DATA_LOSS, "that was all")

    def waits(self, request, context):
        """Answers after so many seconds, unless it is cancelled."""
        self.note("Waits", context)
        ended = threading.Event()
        context.add_callback(ended.set)
        if ended.wait(float(request)):
            with self.lock:
                self.cancelled.append(request)
        return request

    def deadline(self, request, context):
        """Says how many seconds are left."""
        self.note("Deadline", context)
        return f"{context.time_remaining() or -1:.3f}".encode()


class GRPCServer:
    """As long as its `with` lasts; `stop` and `start` in between, on the same port. By TLS, if it has credentials."""

    def __init__(self, name, credentials=None):
        self.credentials = credentials
        self.echo = Echo(name)
        self.health = health.HealthServicer()
        self.health.set("", health_pb2.HealthCheckResponse.SERVING)
        self.health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        self.port = 0

    def start(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.so_reuseport", 0), *MESSAGE_LIMIT])
        self.server.add_generic_rpc_handlers([self.echo])
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        address = f"127.0.0.1:{self.port}"
        if self.credentials:
            self.port = self.server.add_secure_port(address, self.credentials)
        else:
            self.port = self.server.add_insecure_port(address)
        self.server.start()

    def stop(self):
        self.server.stop(0).wait(5)

    def serving(self, yes):
        states = health_pb2.HealthCheckResponse
        self.health.set(SERVICE, states.SERVING if yes else states.NOT_SERVING)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def wait_for_cancelled(self, request, seconds=3):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if request in self.echo.cancelled:
                return True
            time.sleep(0.02)
        return False
