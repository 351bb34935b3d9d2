"""Two operating-system processes on one database, one killed in the middle of answering: every answer arrives, once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.slack_fake import FakeSlack, Fault, Sender, mention
from tests.server.slack_world import Process, served, service_of, slack_settings, until

QUESTION = "what loss will a 7B model reach on 2T tokens?"
_LONG = 60.0  # a call that hangs is under way when the process is killed

# Where the killed process was, by channel: what it had begun, and whether Slack had carried it out.
MOMENTS: dict[str, list[Fault]] = {
    "COPENING": [Fault("chat.startStream", hang=_LONG)],
    "COPENED": [Fault("chat.startStream", hang=_LONG, done=True)],
    "CANSWERING": [Fault("chat.stopStream", hang=_LONG)],
    "CANSWERED": [Fault("chat.stopStream", hang=_LONG, done=True)],
    "CNOTED": [Fault("chat.startStream", code="unknown_method"), Fault("chat.postMessage", hang=_LONG, done=True)],
    "CUPDATED": [Fault("chat.startStream", code="unknown_method"), Fault("chat.update", hang=_LONG, done=True)],
    "CPRIVATE": [Fault("chat.postEphemeral", hang=_LONG)],
}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_answer_arrives_once_though_the_process_is_killed(tmp_path: Path, request: pytest.FixtureRequest, database: str) -> None:
    """One process is killed, another on the same database (this one) and the first one's successor go on; each event comes five times."""
    long = bool(os.environ.get("FLOPWISE_LONG_TESTS"))
    if database == "postgres" and not long:
        pytest.skip("the same on PostgreSQL: FLOPWISE_LONG_TESTS=1")
    url = request.getfixturevalue("postgres_url")("slack_kill") if database == "postgres" else ""
    env: dict[str, object] = {
        "FLOPWISE_DATABASE_URL": url,
        "FLOPWISE_SLACK_LEASE_SECONDS": 1.5,
        "FLOPWISE_SLACK_CALL_TIMEOUT_SECONDS": 50,
        "FLOPWISE_SLACK_PLAN_PROCESSES": int(long),
    }
    with FakeSlack() as fake:
        private = {channel: " only for me" if channel == "CPRIVATE" else "" for channel in MOMENTS}
        events = {channel: mention(QUESTION + private[channel], fake.ts(), channel=channel) for channel in MOMENTS}
        fake.faults.extend(Fault(**{**vars(fault), "channel": channel}) for channel, faults in MOMENTS.items() for fault in faults)

        def deliver(sender: Sender, retry: int) -> None:
            for channel, event in events.items():
                assert sender.event(event, f"Ev{channel}", retry=retry).status_code == 200

        one = Process(fake, tmp_path, **env)
        with one, served(fake, slack_settings(fake, lease_seconds=1.5), service_of(tmp_path, database_url=url)) as other:
            deliver(one.up().sender, 0)
            until(lambda: sum(fault.hang > 0 for fault in fake.hanging) == len(MOMENTS), 60)
            workers = one.children()
            assert all(map(alive, workers))
            assert bool(workers) == long
            one.kill()
            with Process(fake, tmp_path, **env) as again:
                deliver(other.sender, 1)
                deliver(other.sender, 2)
                until(lambda: all(map(fake.answers, set(MOMENTS) - {"CPRIVATE"})) and fake.answers("DU1"), 60)
                deliver(again.up().sender, 3)
                deliver(other.sender, 4)
                quiet(fake)
        until(lambda: not any(map(alive, workers)), 10)
        assert fake.violations == []
        for channel in MOMENTS:
            where = "DU1" if channel == "CPRIVATE" else channel
            shown = [message for (place, _), message in fake.messages.items() if place == where]
            assert [bool(message.get("blocks")) for message in shown] == [True], (channel, shown)
            assert "nats" in json.dumps(shown[0]["blocks"])
            assert not shown[0].get("streaming")
        assert fake.ephemeral == []


def quiet(fake: FakeSlack, seconds: float = 2.0) -> None:
    """Wait until nothing was asked of Slack for longer than a lease."""
    calls: Any = -1
    while calls != len(fake.calls):
        calls = len(fake.calls)
        time.sleep(seconds)
