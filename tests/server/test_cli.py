"""The command line as a user meets it: the flagship question, JSON, a law of one's own, and every kind of bad input."""

import json

import pytest

from server.cli import main


def run(capsys, *args):
    status = main(list(args))
    out = capsys.readouterr()
    return status, out.out, out.err


def test_the_flagship_question(capsys):
    status, out, _ = run(capsys, "best model for 1e22 FLOPs on 8 H100s at under $0.20 per million tokens", "--json")
    assert status == 0
    answer = json.loads(out)
    assert answer["brief"]["compute_flops"] == 1e22
    assert answer["brief"]["n_accelerators"] == 8
    assert answer["brief"]["price_per_million_tokens_usd"] == 0.2
    values = {key: value for result in reversed(answer["results"]) for key, value in result["values"].items()}
    assert values["params_total"]["value"] == pytest.approx(9.045e9, rel=0.01)
    assert values["params_total"]["low"] < values["params_total"]["value"] < values["params_total"]["high"]
    assert values["tokens"]["value"] == pytest.approx(1.843e11, rel=0.01)
    assert values["weight_bits"]["value"] in (16, 8, 4, 3, 2)
    assert {"besiroglu2024", "hoffmann2022"} <= {source["law"] for source in answer["sources"]}
    hours, mfu = values["accelerator_hours"]["value"], values["mfu"]["value"]
    assert hours * 3600 * 989.4e12 * mfu == pytest.approx(1e22, rel=0.02)


@pytest.mark.parametrize(
    ("question", "key"),
    [
        ("how long and how much for 70B params on 15T tokens with 1024 H100s?", "duration_seconds"),
        ("QAT share for a 3B model, 300B tokens, 4-bit?", "qat_fraction"),
        ("batch size and learning rate for 1B params on 100B tokens", "batch_tokens"),
        ("what loss will a 7B model reach on 2T tokens?", "loss"),
        ("can I train a 13B on 8 A100 40GB?", "memory_bytes"),
    ],
)
def test_everyday_questions_have_their_number(capsys, question, key):
    status, out, _ = run(capsys, question, "--json")
    assert status == 0
    assert any(key in result["values"] for result in json.loads(out)["results"]), [list(r["values"]) for r in json.loads(out)["results"]]


def test_a_person_gets_headline_numbers_reasons_and_sources(capsys):
    status, out, _ = run(capsys, "what loss will a 7B model reach on 2T tokens?")
    assert status == 0
    assert out.strip().startswith("Expected loss")
    for title in ("The numbers", "What else is said", "What was assumed", "Sources"):
        assert title in out


def test_explain_shows_formula_inputs_and_source(capsys):
    _, out, _ = run(capsys, "what loss will a 7B model reach on 2T tokens?", "--explain")
    assert "A/N^alpha" in out
    assert "2404.10102" in out


def test_another_law_by_id_and_by_file(capsys, tmp_path):
    _, by_id, _ = run(capsys, "what loss will a 7B model reach on 200B tokens?", "--law", "hoffmann2022", "--json")
    assert json.loads(by_id)["results"][0]["values"]["loss"]["law"] == "hoffmann2022"
    law = tmp_path / "mine.yaml"
    law.write_text("""
id: mine
title: My fit
authors: us
year: 2026
area: pretraining-loss
kind: numeric
summary: our own runs
default_variant: fit
variants: {fit: {values: {E: 1.5, A: 400, B: 1500, alpha: 0.34, beta: 0.35}, status: refit, source: our runs}}
relations:
  loss: {form: chinchilla_loss, inputs: {N: params_total, D: tokens}, outputs: {L: nats_per_token}}
""")
    status, by_file, _ = run(capsys, "what loss will a 7B model reach on 200B tokens?", "--law", str(law), "--json")
    assert status == 0
    loss = json.loads(by_file)["results"][0]["values"]["loss"]
    assert loss["law"] == "mine"
    assert loss["value"] == pytest.approx(1.5 + 400 / 7e9**0.34 + 1500 / 2e11**0.35)


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ([""], "question"),
        (["   "], "question"),
        (["best model for -1e22 FLOPs"], "compute_flops"),
        (["best model for a budget of $0"], "budget_usd"),
        (["loss of a model with 1e40 params on 1T tokens"], "params_total"),
        (["x" * 100_000], "question"),
        (["what loss will a 7B model reach on 2T tokens?", "--law", "kaplan2021"], "kaplan2020"),
        (["what loss will a 7B model reach on 2T tokens?", "--law", "no_such_file.yaml"], "no_such_file.yaml"),
        (["law", "eval", "besiroglu2024", "optimum", "C=nan"], "C"),
        (["law", "show", "nothing_like_it"], "law"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_two(capsys, args, names):
    status, _, err = run(capsys, *args)
    assert status == 2
    assert names in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["id: [", "just text", "id: x\nid: y", "id: mine\ntitle: t", "variants: {a: {values: {E: .nan}}}"])
def test_a_malformed_law_file_is_refused(capsys, tmp_path, text):
    law = tmp_path / "bad.yaml"
    law.write_text(text)
    status, _, err = run(capsys, "what loss will a 7B model reach on 2T tokens?", "--law", str(law))
    assert status == 2
    assert "bad.yaml" in err
    assert len(err.strip().splitlines()) == 1


def test_an_unknown_accelerator_is_answered_with_the_nearest_names(capsys):
    status, out, err = run(capsys, "how long to train 7B on 2T tokens on 8 H900s?")
    assert "h100" in (out + err).lower()
    assert status in (0, 2)


def test_help_lists_the_commands(capsys):
    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert "flopwise law" in out or "law " in out
