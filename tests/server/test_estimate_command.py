"""`flopwise estimate` and `flopwise calibrate` from the command line."""

import csv
import json
from pathlib import Path

import pytest

from server.cli import main

HEADER = "id,model,params_total,accelerator,n_accelerators,framework,precision,seq_len,global_batch_tokens,micro_batch,tp,pp,step_time_s\n"
LINES = "".join(f"r{n},M-7B,6.7e9,H100-SXM,{n},torchtitan,bf16,4096,{n * 65536},2,1,1,{9.0 + n / 100}\n" for n in (8, 16, 32, 64))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + LINES + "bad,,,,,,,,,,,,\n")
    return path


def test_training_rows_keep_their_columns_and_gain_predictions(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.csv"
    assert main(["estimate", "training", "--csv", str(table), "--out", str(out)]) == 0
    assert "4 of 5 rows predicted" in capsys.readouterr().out
    with out.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["id"] for row in rows] == ["r8", "r16", "r32", "r64", "bad"]
    assert all(float(row["lo"]) < float(row["predicted_step_time_s"]) < float(row["hi"]) for row in rows[:4])
    assert rows[0]["step_time_s"] == "9.08"
    assert rows[4]["error"]


def test_a_profile_is_made_and_used(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile, out = tmp_path / "mine.json", tmp_path / "out.csv"
    assert main(["calibrate", str(table), "--out", str(profile)]) == 0
    assert "4 rows used, 1" in capsys.readouterr().out
    assert json.loads(profile.read_text())["name"] == "rows"
    assert main(["estimate", "training", "--csv", str(table), "--out", str(out), "--profile", str(profile)]) == 0
    with out.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert all(float(row["predicted_step_time_s"]) == pytest.approx(float(row["step_time_s"]), rel=0.1) for row in rows[:4])
    assert rows[0]["basis"] == "profile of rows"


def test_to_standard_output(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "training", "--csv", str(table)]) == 0
    assert capsys.readouterr().out.startswith("id,model,")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot read"), ("", "is empty"), ("\0\0", "is not a text file")],
)
def test_bad_files_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_text(content)
    assert main(["estimate", "runs", "--csv", str(path)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_broken_profile_is_refused(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "p.json"
    broken.write_text("[1")
    assert main(["estimate", "training", "--csv", str(table), "--profile", str(broken)]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_binary_rubbish_never_crashes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(bytes(range(1, 256)) * 40)
    assert main(["estimate", "training", "--csv", str(path), "--out", str(tmp_path / "o.csv")]) in (0, 1, 2)
