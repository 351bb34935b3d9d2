"""How soon Slack is told that an event arrived while plans are being made; `flopwise slack` runs as a process of its own.

python -m tests.server.slack_load [plans] [events] [events a second]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.server.slack_fake import FakeSlack, mention
from tests.server.slack_world import Process, until


def measure(folder: Path, plans: int = 50, events: int = 200, rate: float = 20.0, processes: int = 2) -> dict[str, Any]:
    """Acknowledgement times in ms of events, each a question of its own, that arrive while `plans` distinct plans are under way."""
    with FakeSlack() as fake, Process(fake, folder, FLOPWISE_SLACK_PLAN_PROCESSES=processes) as process:
        sender = process.up().sender
        sender.event(mention("what loss will a 7B model reach on 2T tokens?", fake.ts(), channel="CWARM"), "EvWarm")
        until(lambda: fake.answers("CWARM"), 90)
        for i in range(plans):
            sender.event(mention(f"best model for {1 + i / 100:.2f}e23 FLOPs on 64 H100s", fake.ts(), channel=f"CP{i}"), f"EvPlan{i}")
        waiting = [plans - sum(bool(fake.answers(f"CP{i}")) for i in range(plans))]
        times: list[float] = []
        for i in range(events):
            began = time.perf_counter()
            reply = sender.event(mention("what loss will a 7B model reach on 2T tokens?", f"18{i:08d}.1", channel=f"CE{i}"), f"EvLoad{i}")
            times.append(1000 * (time.perf_counter() - began))
            assert reply.status_code == 200
            time.sleep(max(0.0, 1 / rate - times[-1] / 1000))
        waiting.append(plans - sum(bool(fake.answers(f"CP{i}")) for i in range(plans)))
        until(lambda: sum(bool(message.get("blocks")) for message in list(fake.messages.values())) == plans + events + 1, 300)
        time.sleep(0.5)
        answers = sum(bool(message.get("blocks")) for message in fake.messages.values()) - 1
        assert fake.violations == []
    times.sort()
    return {
        "plans under way at the start": waiting[0],
        "at the end": waiting[1],
        "asked": plans + events,
        "answers": answers,
        "p50 ms": round(times[len(times) // 2], 1),
        "p99 ms": round(times[min(len(times) - 1, int(len(times) * 0.99))], 1),
        "max ms": round(times[-1], 1),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        print(measure(Path(where), *map(int, sys.argv[1:3]), *map(float, sys.argv[3:4])))
