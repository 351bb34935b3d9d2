"""How soon Slack is told that an event arrived while plans are being made.

    python -m tests.server.slack_load [plans] [events]
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.server.slack_fake import FakeSlack, Sender, mention
from tests.server.slack_world import served, service_of, slack_settings, until


def measure(folder: Path, plans: int = 50, events: int = 400, gap: float = 0.01) -> dict[str, Any]:
    """Acknowledgement times in ms of events that arrive while `plans` distinct plans are under way; every event asks a question of its own."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.001)  # as `flopwise slack` does
    random.seed(0)
    try:
        with FakeSlack() as fake, served(fake, slack_settings(fake), service_of(folder)) as world:
            world.sender.event(mention("best model for 1e22 FLOPs", fake.ts(), channel="CWARM"), "EvWarm")
            until(lambda: fake.answers("CWARM"), 60)
            for i in range(plans):
                world.sender.event(mention(f"best model for {1 + i / 100:.2f}e23 FLOPs on 64 H100s", fake.ts(), channel=f"CP{i}"), f"EvPlan{i}")
            running = len(world.face.desk._running)  # pyright: ignore[reportPrivateUsage]
            times: list[float] = []
            lock = threading.Lock()

            def send(first: int) -> None:
                sender = Sender(world.sender.url)
                for i in range(first, events, 4):
                    began = time.perf_counter()
                    reply = sender.event(mention("what loss will a 7B model reach on 2T tokens?", f"18{i:08d}.1", channel=f"CE{i}"), f"EvLoad{i}")
                    with lock:
                        times.append(1000 * (time.perf_counter() - began))
                    assert reply.status_code == 200
                    time.sleep(gap * 4 * random.random() * 2)
                sender.close()

            threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            still = len(world.face.desk._running)  # pyright: ignore[reportPrivateUsage]
            until(lambda: not world.face.desk._running, 300)  # pyright: ignore[reportPrivateUsage]
            answers = sum(bool(message.get("blocks")) for message in fake.messages.values()) - 1
            assert fake.violations == []
    finally:
        sys.setswitchinterval(before)
    times.sort()
    return {"plans": plans, "running at the start": running, "running at the end": still, "asked": plans + events, "answers": answers,
            "p50 ms": times[len(times) // 2], "p99 ms": times[int(len(times) * 0.99)], "max ms": times[-1]}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as where:
        print(measure(Path(where), *map(int, sys.argv[1:])))
