"""What a benchmark reads of a process, and the load it puts on it.

CPU time is the process's own CPU clock (POSIX clock_getcpuclockid): nanoseconds of user and system time of all its
threads, those that have ended included. /proc/PID/stat has the same sum in ticks of 10 ms; its user and system
columns are used only for the proportion between the two, which the kernel samples at its timer tick.
"""

import json
import os
import re
import resource
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass

# The request of every benchmark: five fields, as wrk sends Host itself.
REQUEST_FIELDS = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate",
]


class Failed(Exception):
    """The measurement is void: something did not start, or requests went wrong."""


def family(pid):
    """The process and all its descendants (nginx works in a child)."""
    pids = [pid]
    for parent in pids:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children") as file:
                    pids += [int(child) for child in file.read().split()]
        except (FileNotFoundError, ProcessLookupError):
            pass
    return pids


def cpu_nanoseconds(pids):
    """User and system time the processes have used so far, all threads."""
    return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids)


def cpu_ticks(pids):
    """(user, system) in clock ticks."""
    user = system = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user, system


def core_busy_nanoseconds(core):
    """Time the core was not idle, whoever used it, and time the hypervisor took."""
    with open("/proc/stat") as file:
        for line in file:
            if line.startswith(f"cpu{core} "):
                user, nice, system, _, _, irq, softirq, steal = [int(x) for x in line.split()[1:9]]
                return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    raise Failed(f"/proc/stat has no core {core}")


def memory_kib(pids):
    """Pss of the processes: their own pages, and their part of shared ones."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total


@dataclass
class Usage:
    """CPU time used between two moments, and the part of a core that processes not of the benchmark used meanwhile."""

    nanoseconds: int
    user_share: float
    foreign_share: float


class UsageMeter:
    """Measures a proxy, alone on its core, from the meter's making to `read()`; on the load's core are the origin,
    load programs that begin and end in between, and this process."""

    def __init__(self, proxy_pids, proxy_core, load_pids, load_core):
        self.proxy_pids, self.proxy_core = proxy_pids, proxy_core
        self.load_pids, self.load_core = load_pids, load_core
        self.start = time.monotonic_ns()
        self.others = self.others_nanoseconds()
        self.ticks = cpu_ticks(proxy_pids)
        self.nanoseconds = cpu_nanoseconds(proxy_pids)

    def others_nanoseconds(self):
        """For each core, time used by processes that are not the benchmark's."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        load = time.process_time_ns() + int((ended.ru_utime + ended.ru_stime) * 1e9) + cpu_nanoseconds(self.load_pids)
        proxy = cpu_nanoseconds(self.proxy_pids)
        if self.proxy_core == self.load_core:
            return [core_busy_nanoseconds(self.load_core) - load - proxy]
        return [core_busy_nanoseconds(self.proxy_core) - proxy, core_busy_nanoseconds(self.load_core) - load]

    def read(self):
        nanoseconds = cpu_nanoseconds(self.proxy_pids) - self.nanoseconds
        user, system = (now - before for now, before in zip(cpu_ticks(self.proxy_pids), self.ticks))
        foreign = max(now - before for now, before in zip(self.others_nanoseconds(), self.others))
        elapsed = time.monotonic_ns() - self.start
        return Usage(nanoseconds, user / max(1, user + system), max(0.0, foreign / elapsed))


def pinned(core, command):
    return ["taskset", "-c", str(core)] + [str(word) for word in command]


def free_port():
    """A port nobody listens on, below those the system gives to outgoing connections."""
    for port in range(18_000 + os.getpid() % 1_000 * 10, 32_000):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            if port not in free_port.given:
                free_port.given.add(port)
                return port
    raise Failed("no free port")


free_port.given = set()


def trusting():
    """A TLS context that looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def get(port, path="/", timeout=5.0, scheme="http"):
    context = trusting() if scheme == "https" else None
    with urllib.request.urlopen(f"{scheme}://127.0.0.1:{port}{path}", timeout=timeout, context=context) as answer:
        return answer.read()


def wait_until(serves, process, name, seconds=20.0):
    """Waits for a process that is starting until `serves()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failed(f"{name} ended with status {process.returncode} before it served")
        if serves():
            return
        time.sleep(0.05)
    raise Failed(f"{name} does not answer after {seconds:.0f} s")


def requests_by_wrk(port, connections, seconds, core, script=None, path="/", fields=REQUEST_FIELDS, scheme="http"):
    """Keep-alive GETs in a closed loop. Returns the number answered; raises on any error."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s"]
    for field in fields:
        command += ["-H", field]
    if script:
        command += ["-s", script]
    command.append(f"{scheme}://127.0.0.1:{port}{path}")
    run = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=seconds + 30)
    counted = re.search(r"(\d+) requests in", run.stdout)
    if run.returncode != 0 or not counted:
        raise Failed(f"wrk: {run.stdout}{run.stderr}")
    for complaint in ("Socket errors", "Non-2xx"):
        if complaint in run.stdout:
            raise Failed("wrk: " + next(line.strip() for line in run.stdout.splitlines() if complaint in line))
    return int(counted.group(1))


def requests_by_h2load(port, connections, streams, seconds, core, fields=REQUEST_FIELDS, message=None, scheme="http"):
    """HTTP/2 requests in a closed loop, so many streams on each connection: GETs, or POSTs of the file `message`.
    Returns the number answered; raises on any error."""
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}"]
    for field in fields:
        command += ["-H", field]
    if message:
        command.append(f"--data={message}")
    command.append(f"{scheme}://127.0.0.1:{port}/")
    run = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=seconds + 30)
    told = " ".join(re.findall("^(?:requests|status codes): .*", run.stdout, re.MULTILINE))
    counts = {name: int(number) for number, name in re.findall(r"(\d+) (\w+)", told)}
    if run.returncode != 0 or not counts.get("succeeded"):
        raise Failed(f"h2load: {run.stdout}{run.stderr}")
    if any(counts[name] for name in ("failed", "errored", "timeout", "3xx", "4xx", "5xx")):
        raise Failed(f"h2load: {told}")
    return counts["succeeded"]


def new_connections(program, port, concurrent, seconds, core):
    """Connections of one request each. Returns the number answered; raises on any error."""
    run = subprocess.run(
        pinned(core, [program, port, concurrent, seconds]), capture_output=True, text=True, timeout=seconds + 30
    )
    if run.returncode != 0:
        raise Failed(f"connect: {run.stderr}")
    counts = json.loads(run.stdout)
    if counts["failed"]:
        raise Failed(f"{counts['failed']} of {counts['connections'] + counts['failed']} new connections failed")
    return counts["connections"]
