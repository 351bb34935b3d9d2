"""Load on one server process over real HTTP on loopback: plans per second, latency at half of that, memory over many requests.

    python -m evals.service_load --seconds 8 --requests 20000

Clients run in a process of their own and share the machine with the server, so the figures are lower bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from evals.service_chaos import free_port

TARGETS = {"cached": 250.0, "distinct": 60.0}
_HALF = 0.5


def cached(_number: int) -> dict[str, str]:
    """The same question every time."""
    return {"question": "best model for 1e22 FLOPs"}


def distinct(number: int) -> dict[str, str]:
    """A simple question nobody asked before."""
    return {"question": f"what loss will a {1 + number / 1000:.3f}B model reach on 2T tokens?"}


async def flood(
    url: str,
    body: Callable[[int], dict[str, str]],
    seconds: float,
    *,
    rate: float | None = None,
    start: int = 0,
    users: int = 8,
    most: int | None = None,
) -> dict[str, float]:
    """Requests for a while: as fast as `users` can, or `rate` a second in open loop. Latencies in ms."""
    took: list[float] = []
    number, failed = start, 0
    limits = httpx.Limits(max_connections=users if rate is None else 64)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:

        async def one(n: int, due: float) -> None:
            nonlocal failed
            response = await client.post("/v1/plans", json=body(n))
            failed += response.status_code != 200
            took.append(time.perf_counter() - due)

        began = time.perf_counter()
        if rate is None:

            async def user() -> None:
                nonlocal number
                while time.perf_counter() - began < seconds and (most is None or number - start < most):
                    number += 1
                    await one(number, time.perf_counter())

            await asyncio.gather(*(user() for _ in range(users)))
        else:
            tasks: list[asyncio.Task[None]] = []
            for i in range(int(seconds * rate)):
                due = began + i / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.append(asyncio.create_task(one(start + i, due)))
            await asyncio.gather(*tasks)
        total = time.perf_counter() - began
    took.sort()
    return {
        "per_second": len(took) / total,
        "p50_ms": 1e3 * took[len(took) // 2],
        "p99_ms": 1e3 * took[int(0.99 * (len(took) - 1))],
        "requests": len(took),
        "failed": failed,
    }


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(seconds: float, requests: int) -> dict[str, Any]:
    """The whole measurement."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        env = {**os.environ, "FLOPWISE_DATA_DIR": folder, "FLOPWISE_LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "1"}
        server = subprocess.Popen([sys.executable, "-m", "server.cli", "serve", "--port", str(port)], env=env)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url)
            found: dict[str, Any] = {"cores": os.cpu_count(), "load_average_before": os.getloadavg()[0]}
            asyncio.run(flood(url, cached, 1.0))
            asyncio.run(flood(url, distinct, 1.0))
            place = 100_000
            for name, body in (("cached", cached), ("distinct", distinct)):
                used = cpu_seconds(server.pid)
                full = asyncio.run(flood(url, body, seconds, start=place))
                full["server_cpu_ms_per_request"] = 1e3 * (cpu_seconds(server.pid) - used) / full["requests"]
                place += 100_000
                half = asyncio.run(flood(url, body, seconds, start=place, rate=_HALF * TARGETS[name]))
                place += 100_000
                found[name] = {**full, "target": TARGETS[name], "at_half_the_target": half}
            before = resident_mb(server.pid)
            asyncio.run(flood(url, lambda n: cached(n) if n % 10 else distinct(n), 1e9, start=place, most=requests))
            found["memory"] = {"mb_before": before, "mb_after": resident_mb(server.pid), "requests": requests, "limit_mb": 400}
            found["load_average_after"] = os.getloadavg()[0]
            return found
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(url + "/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.2)
    raise TimeoutError("the server did not start")


def main() -> int:
    """Measure and print; exit status 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="load of one server process")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    found = run(options.seconds, options.requests)
    print(json.dumps(found, indent=1))
    met = all(found[name]["per_second"] >= TARGETS[name] and found[name]["at_half_the_target"]["p99_ms"] < 150 for name in TARGETS)
    return 0 if met and found["memory"]["mb_after"] < 400 else 1


if __name__ == "__main__":
    sys.exit(main())
