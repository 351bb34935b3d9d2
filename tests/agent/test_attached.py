"""What comes with a question: a table of runs whose law answers the rest, a profile of the cluster; and what steps hand to each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent import ask
from agent.answer import Answer
from agent.brief import Brief
from agent.replay import differences, load, recompute, save
from agent.state import Context, RunsTable
from knowledge import InputError
from server.cli import main
from tools.fitting.runs import file_columns
from tools.result import Result
from tools.systems.profile import Point, Profile

# The law the runs are drawn from, and its optimum: N* = G (C/6)^(b/(a+b)), G = (aA/(bB))^(1/(a+b)) (Hoffmann et al. 2022, eq. 4).
E, A, B, ALPHA, BETA = 1.8, 480.0, 2100.0, 0.35, 0.37
BEST = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA)) * (1e22 / 6) ** (BETA / (ALPHA + BETA))
QUESTION = "fit these and tell me the best model for 1e22 FLOP"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    C = np.exp(rng.uniform(np.log(1e18), np.log(1e21), 60))
    N = 0.1 * C**0.5 * np.exp(rng.uniform(-1, 1, 60))
    D = C / (6 * N)
    L = (E + A / N**ALPHA + B / D**BETA) * np.exp(0.001 * rng.normal(size=60))
    path = tmp_path_factory.mktemp("attached") / "ours.csv"
    rows = "".join(f"a,{n},{d},{v}\n" for n, d, v in zip(N, D, L, strict=True))
    path.write_text("family,params,tokens,loss\n" + rows, encoding="utf8")
    return path


@pytest.fixture(scope="module")
def table(runs: Path) -> RunsTable:
    return RunsTable(runs.name, file_columns(runs))


@pytest.fixture(scope="module")
def fitted(table: RunsTable) -> Answer:
    """The answer to QUESTION."""
    return ask(QUESTION, context=Context(table=table))


def of(answer: Any, tool: str) -> Any:
    return next(result for result in answer.results if result.tool == tool)


def test_the_law_of_the_table_answers_what_follows(fitted: Answer) -> None:
    answer, law = fitted, of(fitted, "fit").values
    assert law["alpha"].low < ALPHA < law["alpha"].high
    best = of(answer, "allocate").values["params_total"]
    assert best.number == pytest.approx(BEST, rel=0.1)
    assert best.low < BEST < best.high
    assert best.law == of(answer, "fit").card["id"]
    assert any(source.law == best.law and "ours.csv" in source.title for source in answer.sources)
    assert answer.brief.runs == "ours.csv"
    assert {"model_shape", "batch_size", "hyperparameters"} <= {result.tool for result in answer.results}


def test_a_table_is_fitted_without_being_asked(table: RunsTable) -> None:
    told: list[dict[str, Any]] = []
    answer = ask("what loss will a 7B model reach on 140B tokens?", context=Context(table=table), on_event=told.append)
    loss = of(answer, "predict_loss").values["loss"]
    assert loss.number == pytest.approx(E + A / 7e9**ALPHA + B / 140e9**BETA, rel=0.01)
    assert loss.law == of(answer, "fit").card["id"]
    assert told[0]["step"] == "fit"
    assert "table" not in told[0]["fields"]


def test_a_law_named_beside_the_table_is_used(table: RunsTable) -> None:
    answer = ask("what loss will a 7B model reach on 140B tokens by hoffmann2022?", context=Context(table=table))
    assert of(answer, "predict_loss").values["loss"].law == "hoffmann2022"


def test_a_plan_with_a_table_is_replayed_bit_for_bit(table: RunsTable, fitted: Answer) -> None:
    answer = fitted
    data = load(json.dumps(save(answer, Context(table=table))), "plan.json")
    again = recompute(data, {})
    assert differences(data, again) == []
    assert len(again.results) == len(answer.results)
    doubled = recompute(data, {"compute_flops": 2e22})
    assert of(doubled, "allocate").values["params_total"].law == of(answer, "fit").card["id"]
    assert of(doubled, "allocate").values["params_total"].number > of(answer, "allocate").values["params_total"].number


def test_runs_that_determine_no_law_are_told_of() -> None:
    few = RunsTable("few.csv", {"params": ["1e8", "1e9"], "tokens": ["2e9", "2e10"], "loss": ["3", "2.5"]})
    answer = ask(QUESTION, context=Context(table=few))
    assert of(answer, "allocate").values["loss"].law == "besiroglu2024"
    assert any("determine no law" in notice.text and notice.level == "warning" for notice in answer.notices)


def test_a_group_is_chosen_or_asked_for(table: RunsTable) -> None:
    two = {name: cells[:20] * 2 for name, cells in table.columns.items()}
    two["family"] = ["a"] * 20 + ["b"] * 20
    with pytest.raises(InputError, match="2 groups"):
        ask(QUESTION, context=Context(table=RunsTable("two.csv", two)))
    answer = ask(QUESTION, context=Context(table=RunsTable("two.csv", two, "family=b")))
    assert of(answer, "allocate").values["params_total"].number == pytest.approx(BEST, rel=0.15)
    assert of(answer, "fit").values["alpha"].inputs == {"runs": 20}


def test_a_table_of_the_turn_before_is_said_to_be_absent(fitted: Answer) -> None:
    before = Brief.read({"task": "predict_loss", "params_total": 7e9, "tokens": 140e9, "runs": "ours.csv"})
    answer = ask("and with half the data?", previous=before)
    assert answer.brief.tokens == 70e9
    assert any("ours.csv is not attached" in notice.text for notice in answer.notices)
    with pytest.raises(InputError, match="not attached"):
        ask("and with half the compute?", previous=fitted.brief)


def test_the_command_line_takes_a_table(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "plan.json"
    assert main(["plan", QUESTION, "--runs", str(runs), "--save", str(saved), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    best = next(result for result in data["results"] if result["tool"] == "allocate")["values"]["params_total"]
    assert best["value"] == pytest.approx(BEST, rel=0.1)
    assert main(["replay", str(saved)]) == 0
    assert main([QUESTION, "--runs", str(tmp_path / "none.csv")]) == 2
    assert main([QUESTION, "--group", "family=a"]) == 2


def cluster(residual: float) -> dict[str, Any]:
    """A profile whose one row took exp(residual) times as long as predicted."""
    numbers = (32.7, 12.0, 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 12.0, 1.0, 0.0, 8.0)
    return Profile("our-cluster", (Point(numbers, ("16", "h100-sxm", "megatron-core")),), (residual,)).to_json()


def test_a_profile_corrects_the_time_and_is_named() -> None:
    question = "how long for 7B on 1T tokens on 256 H100s?"
    plain, slow = (ask(question, context=Context(profile=profile)) for profile in (None, cluster(0.5)))
    assert of(slow, "wall_clock").values["days"].number > 1.1 * of(plain, "wall_clock").values["days"].number
    assert "our-cluster" in of(slow, "wall_clock").values["mfu"].source
    assert any("our-cluster" in reason for reason in of(slow, "wall_clock").reasons)
    assert of(slow, "cost").values["cost_usd"].number > of(plain, "cost").values["cost_usd"].number
    data = load(json.dumps(save(slow, Context(profile=cluster(0.5)))), "plan.json")
    assert differences(data, recompute(data, {})) == []


@pytest.mark.parametrize(
    ("question", "tool"),
    [
        ("best model for 10k dollars of H100s on 64 GPUs", "plan"),
        ("which model on 64 H100s in two weeks?", "plan"),
        ("what does training 7B on 1T tokens on 256 H100s cost?", "cost"),
        ("what do 1e23 FLOPs cost on H100s?", "cost"),
    ],
)
def test_a_profile_corrects_plans_and_bills_and_is_named(question: str, tool: str) -> None:
    plain, slow = (of(ask(question, context=Context(profile=profile)), tool) for profile in (None, cluster(0.5)))
    answer = ask(question, context=Context(profile=cluster(0.5)))
    if tool == "plan":
        assert slow.values["mfu"].number < 0.9 * plain.values["mfu"].number
        assert "our-cluster" in slow.values["mfu"].source
        assert slow.values["tokens"].number < plain.values["tokens"].number  # the same money buys less
    else:
        assert slow.values["cost_usd"].number > 1.1 * plain.values["cost_usd"].number
        assert "our-cluster" in slow.values["accelerator_hours"].source
    assert any("our-cluster" in reason for reason in slow.reasons)
    assert "our-cluster" in answer.text
    assert not any("not used" in notice.text for notice in answer.notices)


def test_a_profile_weighs_every_option_of_a_plan() -> None:
    """Where counts are a choice, the one chosen at the cluster's speed is the best of them, though another one is without it."""

    def planned(residual: float | None, **more: int) -> Result:
        fields = {"task": "allocate", "budget_usd": 2e5, "duration_seconds": 14 * 86400.0, "accelerator": "h100-sxm", **more}
        context = Context(profile=None if residual is None else cluster(residual))
        return of(ask(brief=Brief.read(fields), context=context), "plan")

    free, before = planned(-0.4), planned(None)
    assert free.values["n_accelerators"].value != before.values["n_accelerators"].value
    usual = planned(-0.4, n_accelerators=int(before.values["n_accelerators"].number))
    assert free.values["loss"].number < usual.values["loss"].number < before.values["loss"].number


def test_a_profile_that_changes_nothing_is_told_of() -> None:
    answer = ask("what loss will a 7B model reach on 140B tokens?", context=Context(profile=cluster(0.5)))
    assert any("profile was not used" in notice.text for notice in answer.notices)


@pytest.mark.parametrize("compute", [1e20, 1e22, 1e24])
def test_one_answer_rests_on_one_context_and_one_shape(compute: float) -> None:
    fields = {"task": "allocate", "compute_flops": compute, "n_accelerators": 64, "accelerator": "h100-sxm"}
    answer = ask(brief=Brief.read(fields))
    assumed = [item.value for item in answer.assumptions if item.field == "sequence_length"]
    assert len(assumed) == 1
    assert of(answer, "wall_clock").values["sequence_length"].value == assumed[0]
    assert of(answer, "batch_size").values["batch_sequences"].inputs["sequence_length"] == assumed[0]
    body = of(answer, "model_shape").values["params_nonembedding"].number
    assert next(item.value for item in answer.assumptions if item.field == "params_nonembedding") == body


def test_a_reward_curve_is_extrapolated_and_not_taken_for_runs_of_a_loss() -> None:
    hours = [2000.0 * 1.3**i for i in range(10)]
    rates = [0.3 + 0.3 / (1 + (2500.0 / h) ** 1.9) for h in hours]
    curve = RunsTable("rl_curve.csv", {"gpu_hours": hours, "pass_rate": rates})
    answer = ask("extrapolate our RL run to 64k GPU-hours", context=Context(table=curve))
    assert [result.tool for result in answer.results] == ["rl"]
    assert float(answer.results[0].values["pass_rate"].value) == pytest.approx(0.6, abs=0.02)
