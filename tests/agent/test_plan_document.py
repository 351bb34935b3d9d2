"""Saved plans and documents: reproduced bit for bit, differences with their cause, everything escaped."""

import json

import pytest

from agent import ask
from agent.brief import Brief
from agent.document import html, markdown
from agent.replay import differences, load, recompute, save
from agent.state import Context
from knowledge import InputError, LawBook, parse_card

PLAN = {"task": "allocate", "compute_flops": 1e21, "n_accelerators": 8, "accelerator": "h100-sxm"}
OWN = """
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
"""


def saved(context=None, **changes):
    context = context or Context()
    answer = ask(brief=Brief.read({**PLAN, **changes}), context=context)
    return load(json.dumps(save(answer, context)), "plan.json"), answer


def test_a_saved_plan_is_reproduced():
    data, _ = saved()
    assert differences(data, recompute(data, {})) == []


def test_a_plan_keeps_the_law_of_the_user():
    book = LawBook().with_laws([parse_card(OWN, "test")])
    data, answer = saved(Context(laws=book, law="mine"))
    again = recompute(data, {})
    assert again.results[0].values["loss"].law == "mine"
    assert again.results[0].values["loss"].value == answer.results[0].values["loss"].value


def test_a_changed_field_changes_the_plan():
    data, answer = saved()
    doubled = recompute(data, {"compute_flops": 2e21})
    assert doubled.results[0].values["params_total"].value > answer.results[0].values["params_total"].value


def test_a_difference_names_its_cause():
    data, _ = saved()
    data["answer"]["results"][0]["values"]["loss"]["value"] = 3.0
    data["answer"]["versions"]["law_base"] = "000000000000"
    found = differences(data, recompute(data, {}))
    assert found[0].where.endswith(".loss")
    assert found[0].saved == 3.0
    assert "law_base 000000000000 ->" in found[0].cause


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}', "{"])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(InputError, match=r"plan\.json"):
        load(text, "plan.json")


def test_bad_changes_are_refused():
    data, _ = saved()
    with pytest.raises(InputError, match="compute_flops"):
        recompute(data, {"compute_flops": -1})


def test_the_page_escapes_and_needs_nothing_from_elsewhere():
    answer = ask("what loss will a 7B model reach on 2T tokens <script>alert(1)</script>?")
    page = html(answer)
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "src=" not in page
    assert answer.headline in markdown(answer)
