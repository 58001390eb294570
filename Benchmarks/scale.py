"""What size costs: the brain with 100,000 endpoints, and as many probed every ten seconds."""

import json
import subprocess
from pathlib import Path

from bench import markdown, say

REPOSITORY = Path(__file__).resolve().parent.parent
SERVICES, REGIONS, ENDPOINTS = 1_000, 5, 20
TARGETS, SECONDS = 100_000, 20
# CPU of the brain for all evidence of a tenth of a second.
BRAIN_LIMIT_MS = 10


def run_scale(bench, *arguments):
    program = REPOSITORY / ".build/release/scale"
    command = ["taskset", "-c", str(bench.proxy_core), str(program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise RuntimeError(f"scale {arguments[0]} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout)


def bench_scale(bench):
    say("scale: building")
    subprocess.run(["swift", "build", "-c", "release", "--product", "scale"], cwd=REPOSITORY, check=True,
                   stdout=subprocess.DEVNULL)
    try:
        say(f"scale: a brain of {SERVICES} services, {REGIONS} regions, {ENDPOINTS} endpoints each")
        runs = [run_scale(bench, "brain", SERVICES, REGIONS, ENDPOINTS) for _ in range(3)]
        brain = sorted(runs, key=lambda run: run["steady_ms"])[1]
        say(f"scale: {TARGETS} endpoints probed every 10 s")
        with bench.origin() as origin:
            probes = run_scale(bench, "probes", TARGETS, origin.port, SECONDS)
    except (OSError, RuntimeError, subprocess.SubprocessError, ValueError) as failure:
        return bench.fail("scale", failure)
    bench.results["scale/brain"] = brain
    bench.results["scale/probes"] = probes
    bench.mark("CPU ms of a brain step, 100,000 endpoints", brain["steady_ms"], BRAIN_LIMIT_MS)
    bench.mark("share of a core that probes 100,000 endpoints every 10 s", probes["core_share"], 1.0)
    markdown(
        f"A brain of {SERVICES:,} services × {REGIONS} regions × {ENDPOINTS} endpoints",
        ["all evidence of a tenth of a second", "CPU ms"],
        [
            ["steady: a fifth of the endpoints with requests, a hundredth probed", f"{brain['steady_ms']:.2f}"],
            ["the worst of 300 such", f"{brain['steady_worst_ms']:.2f}"],
            [f"the first region fails: {brain['moved']:,} services move", f"{brain['failing_ms']:.2f}"],
            ["steady, away from home", f"{brain['after_ms']:.2f}"],
            ["a new table is taken on", f"{brain['adoption_ms']:.2f}"],
        ],
        [f"At most {brain['peak_mib']:.0f} MiB of memory, the table and the events of a step included."],
    )
    markdown(
        f"{TARGETS:,} endpoints probed every 10 s, by HTTP, each on a connection of its own, by one core",
        ["probes/s", "CPU µs per probe", "share of the core", "passed", "failed", "unknown", "worst lag ms"],
        [[
            f"{probes['probes_per_second']:,}", f"{probes['cpu_us_per_probe']:.1f}", f"{probes['core_share']:.2f}",
            f"{probes['passed']:,}", f"{probes['failed']:,}", f"{probes['unknown']:,}", f"{probes['worst_lag_ms']:.1f}",
        ]],
        ["Measured against a local responder; the addresses are 100,000 of 127.0.0.0/8."],
    )
