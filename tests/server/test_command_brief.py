"""`flopwise brief` on the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from server.cli import main


def test_one_question_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["brief", "best model for 1e22 FLOPs on 8 H900s", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["brief"]["compute_flops"] == 1e22
    assert set(document) == {"brief", "confidence", "readings", "spans", "notices", "language"}


def test_language_is_told_beside_the_brief(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["brief", "Wie lange dauert ein 7B auf 2 Billionen Tokens mit 64 H100?", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["language"] == "de"
    assert "language" not in document["brief"]


def test_many_questions_and_a_bad_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        '{"id": "a", "question": "best model for 1e22 FLOPs"}',
        "not json",
        '{"id": "c", "question": ""}',
        "",
        '{"question": "what is mfu"}',
        "[1]",
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(lines), encoding="utf8")
    assert main(["brief", "--jsonl", str(path)]) == 2
    out = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert out[0] == {"id": "a", "brief": {"task": "allocate", "compute_flops": 1e22}}
    assert [("brief" in answer, answer["id"]) for answer in out] == [(True, "a"), (False, 2), (False, "c"), (True, 5), (False, 6)]


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"id": 1, "question": "price tag for 1e25 FLOPs?"}\n'))
    assert main(["brief", "--jsonl", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["brief"]["task"] == "cost"


@pytest.mark.parametrize(
    "arguments",
    [["brief", ""], ["brief"], ["brief", "--jsonl", "/nowhere/q.jsonl"], ["brief", "loss of 1e40 params"], ["brief", "x" * 100_000]],
)
def test_bad_input_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error
