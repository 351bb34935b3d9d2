"""The container and compose files say only what the command line and the settings know."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from server.cli import COMMANDS
from server.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "server/deploy/compose.yaml").read_text())
CONTAINER = (ROOT / "server/deploy/Containerfile").read_text()
OURS = {name: service for name, service in COMPOSE["services"].items() if service.get("image") == "flopwise"}


def parsed(command: list[str]) -> argparse.Namespace:
    """A command of a file as the command line reads it."""
    assert command[0] == "flopwise"
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(COMMANDS[command[1]][0]).add(parser.add_subparsers(dest="command", required=True))
    return parser.parse_args(command[1:])


def test_the_fleet_is_two_servers_and_two_workers_on_one_postgresql() -> None:
    commands = sorted(parsed(service["command"]).command for service in OURS.values())
    assert commands == ["serve", "serve", "worker", "worker"]
    assert len({service["environment"]["FLOPWISE_DATABASE_URL"] for service in OURS.values()}) == 1
    ports = [port for service in OURS.values() for port in service.get("ports", [])]
    assert len(ports) == len(set(ports)) == 2
    assert all(port.startswith("127.0.0.1:") and port.endswith(f":{Settings.model_fields['port'].default}") for port in ports)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_of_the_compose_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = OURS[name]
    options = parsed(service["command"])
    assert callable(options.run)
    if options.command == "serve":
        assert options.host == "0.0.0.0"
    for variable, value in service["environment"].items():
        assert variable.removeprefix("FLOPWISE_").lower() in Settings.model_fields, variable
        monkeypatch.setenv(variable, re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value))
    settings = Settings.load(host=getattr(options, "host", None))
    assert settings.store_url.startswith("postgresql://flopwise:secret@postgres/")
    assert not settings.runs_jobs
    grace = float(service["stop_grace_period"].removesuffix("s"))
    assert grace > settings.shutdown_seconds + 5, "killed before its jobs are handed over"


def test_the_container_installs_and_runs_what_there_is() -> None:
    extras = set(re.search(r'"\.\[(.*?)\]"', CONTAINER)[1].split(","))  # type: ignore[index]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert extras <= set(project["project"]["optional-dependencies"])
    command = shlex.split(re.search(r"^CMD \[(.*)\]$", CONTAINER, re.M)[1].replace(",", " "))  # type: ignore[index]
    assert parsed(command).host == "0.0.0.0"
    for source in re.findall(r"^COPY (.*) \S+$", CONTAINER, re.M):
        assert all((ROOT / path).exists() for path in source.split()), source
    copied = set(re.findall(r"^COPY (\w+) \1$", CONTAINER, re.M))
    assert copied == set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert f"EXPOSE {Settings.model_fields['port'].default}" in CONTAINER


def test_commands_in_comments_exist() -> None:
    for line in (CONTAINER + (ROOT / "server/deploy/compose.yaml").read_text()).splitlines():
        found = re.search(r"^#.*\b(flopwise \w+ .*)$", line)
        if found:
            assert parsed(shlex.split(found[1])).run
