"""The route of a question: brief in, tools run in order, an answer out whose numbers are grounded."""

import pytest

from agent import ask
from agent.brief import Brief
from agent.checker import numbers_in, ungrounded
from agent.graph import build
from agent.state import Context
from knowledge import InputError


def test_a_brief_in_place_of_a_question():
    answer = ask(brief=Brief.read({"task": "allocate", "compute_flops": 1e22}))
    assert answer.results[0].values["params_total"].value == pytest.approx(9.045e9, rel=1e-3)
    assert "9.05B params" in answer.headline
    assert any(source.law == "besiroglu2024" for source in answer.sources)
    assert answer.versions["law_base"]


def test_the_same_question_gives_the_same_answer():
    brief = Brief.read({"task": "allocate", "compute_flops": 3e21, "n_accelerators": 64, "accelerator": "h100-sxm"})
    assert ask(brief=brief).model_dump_json() == ask(brief=brief).model_dump_json()


def test_follow_ups_take_the_size_that_was_found():
    answer = ask(brief=Brief.read({"task": "allocate", "compute_flops": 1e21, "accelerator": "h100-sxm", "n_accelerators": 8}))
    by_tool = {result.tool: result for result in answer.results}
    assert by_tool["wall_clock"].values["compute_flops"].number == pytest.approx(1e21, rel=1e-3)


def test_what_a_joint_plan_decides_holds_in_every_step_after_it():
    fields = {"task": "allocate", "compute_flops": 3.5e23, "accelerator": "h100-sxm", "n_accelerators": 256, "budget_usd": 6e5}
    answer = ask(brief=Brief.read(fields))
    plan, time, bill = (next(r for r in answer.results if r.tool == name).values for name in ("plan", "wall_clock", "cost"))
    assert plan["compute_flops"].number < 3e23
    for key in ("compute_flops", "accelerator_hours", "duration_seconds"):
        assert time[key].number == pytest.approx(plan[key].number, rel=1e-6)
    assert bill["cost_usd"].number == pytest.approx(plan["train_usd"].number, rel=1e-6)
    assert not [notice for notice in answer.notices if notice.level == "conflict"]
    assert any("Of the stated 3.5e+23 FLOP the plan spends" in notice.text for notice in answer.notices)


def test_memory_is_told_of_the_run_whose_time_was_found():
    answer = ask(
        brief=Brief.read(
            {"task": "wall_clock", "params_total": 70e9, "tokens": 2e12, "duration_seconds": 21 * 86400.0, "accelerator": "h100-sxm"}
        )
    )
    time, memory, bill = (next(r for r in answer.results if r.tool == name) for name in ("wall_clock", "memory", "cost"))
    assert memory.values["n_accelerators"].number == time.values["n_accelerators"].number > 1000
    assert memory.values["step_seconds"].number == pytest.approx(time.values["step_seconds"].number)
    assert bill.values["accelerator_hours"].high == time.values["accelerator_hours"].high


def test_compared_values_become_one_result_each():
    answer = ask(brief=Brief.read({"task": "predict_loss", "params_total": [7e9, 13e9], "tokens": 1e12}))
    assert [result.case["params_total"] for result in answer.results] == [7e9, 13e9]
    assert answer.results[0].values["loss"].value > answer.results[1].values["loss"].value


def test_too_many_combinations_are_refused():
    brief = Brief.read({"task": "predict_loss", "params_total": [1e9 * k for k in range(1, 9)], "tokens": [1e11, 2e11]})
    with pytest.raises(InputError, match="16 combinations"):
        ask(brief=brief)


def test_what_is_missing_is_asked_for():
    answer = ask(brief=Brief.read({"task": "allocate"}))
    assert not answer.results
    assert ["compute_flops"] in answer.needs_any_of
    assert "compute flops" in answer.headline


def test_an_interactive_caller_is_asked_and_the_reply_completes_the_answer():
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    graph = build(InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}}
    context = Context(interactive=True)
    paused = graph.invoke({"question": "", "brief": Brief.read({"task": "allocate"})}, thread, context=context)
    assert "compute_flops" in [need["field"] for need in paused["__interrupt__"][0].value["needs"]]
    done = graph.invoke(Command(resume={"compute_flops": 1e22}), thread, context=context)
    assert done["answer"].results[0].values["tokens"].value == pytest.approx(1.843e11, rel=1e-3)


def test_out_of_scope_says_what_can_be_asked():
    answer = ask(brief=Brief.read({"task": "out_of_scope"}))
    assert "You can ask" in answer.headline
    assert not answer.results


def test_a_contradiction_comes_first_in_the_answer():
    answer = ask(
        brief=Brief.read(
            {"task": "allocate", "compute_flops": 1e24, "n_accelerators": 1, "accelerator": "h100-sxm", "duration_seconds": 86400.0}
        )
    )
    assert answer.sections[0].key == "conflicts"


def test_events_name_each_step():
    events = []
    ask(brief=Brief.read({"task": "predict_loss", "params_total": 7e9, "tokens": 2e12}), on_event=events.append)
    assert [(event["step"], event["status"]) for event in events] == [("predict_loss", "started"), ("predict_loss", "done")]


def test_the_checker_sees_a_number_from_nowhere():
    assert ungrounded("about 9.05B params and 42 days", ["9.05B params"]) == {"42"}
    assert numbers_in("1,234 and 1e22") == {"1234", "1e22"}
