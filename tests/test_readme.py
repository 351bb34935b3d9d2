"""The README's own commands and map: every `flopwise ...` line runs, every path it names exists."""

import re
import shlex
from pathlib import Path

import pytest

from server.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
# Commands that keep running, or that read a file a reader is to bring along.
LONG_OR_NEEDING_FILES = {"serve", "worker", "slack", "mcp", "fit", "forecast", "estimate", "calibrate", "replay", "--runs", "--profile"}
COMMANDS = [line.split("  #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.startswith("flopwise ")]
RUNNABLE = [line for line in COMMANDS if LONG_OR_NEEDING_FILES.isdisjoint(shlex.split(line))]


@pytest.mark.parametrize("command", RUNNABLE)
def test_a_command_of_the_readme_runs(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    assert capsys.readouterr().out.strip()


def test_there_are_commands_to_run():
    assert len(RUNNABLE) >= 8


def test_every_path_of_the_map_exists():
    rows = re.findall(r"^\| (`[^|]+) \|", README, re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`([\w./]+)`", row)]
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
