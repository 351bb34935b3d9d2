"""`flopwise fit`, `forecast` and `design` from the command line: files out, exit status, one clear line for bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
from shared import shared_path

from server.cli import main


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    C = np.exp(rng.uniform(np.log(1e18), np.log(1e21), 60))
    N = 0.1 * C**0.5 * np.exp(rng.uniform(-1, 1, 60))
    D = C / (6 * N)
    L = (1.8 + 480 / N**0.35 + 2100 / D**0.37) * np.exp(0.003 * rng.normal(size=60))
    path = tmp_path / "runs.csv"
    path.write_text("family,params,tokens,loss\n" + "".join(f"a,{n},{d},{v}\n" for n, d, v in zip(N, D, L, strict=True)), encoding="utf8")
    return path


def test_fit_writes_numbers_card_and_report(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, law, report = (tmp_path / name for name in ("out.json", "law.yaml", "report.html"))
    assert (
        main(
            ["fit", str(runs), "--form", "chinchilla", "--bootstrap", "200", "--json", str(out), "--out", str(law), "--report", str(report)]
        )
        == 0
    )
    data = json.loads(out.read_text())
    assert set(data["params"]) == {"E", "A", "B", "alpha", "beta"}
    assert data["se"]["alpha"] > 0
    assert "starts end at this optimum" in capsys.readouterr().out
    page = report.read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert main(["law", "show", "besiroglu2024"]) == 0
    from knowledge.library import load_card

    assert load_card(law).default_variant == "fit"


def test_fit_is_the_same_on_any_number_of_workers(runs: Path, tmp_path: Path) -> None:
    texts = []
    for workers in ("1", "3"):
        out = tmp_path / f"{workers}.json"
        assert main(["fit", str(runs), "--bootstrap", "100", "--workers", workers, "--json", str(out)]) == 0
        texts.append(out.read_text())
    assert texts[0] == texts[1]


def test_forecast_writes_a_prediction_for_every_point(runs: Path, tmp_path: Path) -> None:
    points, out = tmp_path / "points.csv", tmp_path / "out.json"
    points.write_text("family,params,tokens\na,7e9,1.4e11\na,1e10,2e11\n", encoding="utf8")
    assert main(["forecast", str(runs), "--at", str(points), "--json", str(out)]) == 0
    rows = json.loads(out.read_text())["predictions"]
    assert len(rows) == 2
    assert all(row["lo"] < row["loss"] < row["hi"] for row in rows)


def test_design_prints_runs_and_compares_with_the_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.json"
    assert main(["design", "--budget", "1e21", "--json", str(out)]) == 0
    assert "Runs to do" in capsys.readouterr().out
    values = json.loads(out.read_text())["values"]
    assert values["loss_interval"]["value"] < values["grid_loss_interval"]["value"]


def test_undetermined_table_exits_1_with_a_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "few.csv", tmp_path / "few.json"
    path.write_text("N,D,loss\n1e8,2e9,3\n1e9,2e10,2.5\n", encoding="utf8")
    assert main(["fit", str(path), "--json", str(out)]) == 1
    assert "cannot determine" in capsys.readouterr().out
    data = json.loads(out.read_text())
    assert data["params"] is None
    assert data["status"] == "undetermined"


@pytest.mark.parametrize(
    "args",
    [
        ["fit"],
        ["fit", "/nowhere.csv"],
        ["fit", "RUNS", "--form", "nonsense"],
        ["fit", "RUNS", "--group", "family=z"],
        ["fit", "RUNS", "--bootstrap", "-1"],
        ["fit", "RUNS", "--unit", "params=furlong"],
        ["forecast", "RUNS", "--at", "/nowhere.csv"],
        ["design", "--budget", "many"],
        ["design", "--budget", "-1"],
    ],
)
def test_bad_input_is_one_line_and_exit_2(args: list[str], runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(runs) if arg == "RUNS" else arg for arg in args]) == 2
    said = capsys.readouterr().err
    assert said.startswith("flopwise: ")
    assert said.count("\n") == 1


def test_several_groups_are_each_fitted(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert main(["fit", str(shared_path("data/gadre_openlm.csv")), "--bootstrap", "0", "--json", str(out)]) == 0
    groups = json.loads(out.read_text())["groups"]
    assert [group["group"]["dataset"] for group in groups] == ["c4_original", "rpj", "rw_original"]


def test_list_of_forms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--list"]) == 0
    assert "data_constrained" in capsys.readouterr().out


def test_diagnosis_in_words(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", str(runs), "--bootstrap", "50", "--diagnose"]) == 0
    said = capsys.readouterr().out
    assert "Optimal size by the three approaches" in said
    assert "profile interval" in said


def test_a_group_that_cannot_be_forecast_does_not_stop_the_others(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.write_text(runs.read_text() + "b,1e9,2e10,2.5\nb,2e9,2e10,2.4\n", encoding="utf8")
    points, out = tmp_path / "points.csv", tmp_path / "out.json"
    points.write_text("family,params,tokens\nb,7e9,1.4e11\na,1e10,2e11\n", encoding="utf8")
    assert main(["forecast", str(runs), "--at", str(points), "--json", str(out)]) == 0
    data = json.loads(out.read_text())
    assert data["predictions"][0]["loss"] is None
    assert data["predictions"][1]["loss"] > 0
    assert "2 runs cannot carry a forecast" in data["failed"][0]["reason"]
    assert "no forecast" in capsys.readouterr().out
