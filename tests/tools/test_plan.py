"""The joint planner: against brute force, its limits, its intervals, and published joint results."""

from dataclasses import replace

import numpy as np
import pytest

from knowledge import InputError, LawBook
from tools.plan import PlanRequest, branches_of, plan, resolve, solve
from tools.plan.evaluate import Model, feasible, objective_of, violations
from tools.plan.solve import relaxations, size_of
from tools.registry import call
from tools.surface import surface

BOOK = LawBook()


def model_of(**fields):
    request = PlanRequest(**fields)
    return Model(surface(BOOK, request.law), BOOK, resolve(request))


def random_problem(rng):
    """A plan problem with random budgets and limits; feasible or not."""
    fields = {"accelerator": str(rng.choice(["h100-sxm", "a100-80gb", "b200"])), "mfu": float(rng.uniform(0.2, 0.6)), "draws": 0}
    match int(rng.integers(0, 4)):
        case 0:
            fields["compute_flops"] = float(10 ** rng.uniform(19, 25))
        case 1:
            fields["budget_usd"] = float(10 ** rng.uniform(3, 8))
        case 2:
            fields |= {"n_accelerators": int(2 ** rng.integers(2, 12)), "duration_seconds": float(rng.uniform(1, 120) * 86400)}
        case _:
            fields |= {"objective": "lowest_cost", "target_loss": float(rng.uniform(1.95, 2.6))}
    if rng.random() < 0.3:
        fields["unique_tokens"] = float(10 ** rng.uniform(9, 12))
    if rng.random() < 0.4:
        fields["memory_bytes"] = float(10 ** rng.uniform(9, 11.5))
    if rng.random() < 0.2:
        fields["inference_tokens"] = float(10 ** rng.uniform(10, 13))
    return fields


def brute_force(model, branches, points=4001):
    """Best feasible objective on a grid finer than the solver's."""
    sizes = np.geomspace(1e6, 1e14, points)
    best = np.inf
    for branch in branches:
        columns = model.columns(branch, sizes)
        values = np.where(feasible(columns, model.problem.limits), objective_of(columns, model.problem), np.inf)
        best = min(best, float(values.min()))
    return best


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_is_at_least_as_good_as_brute_force_and_keeps_every_limit(seed):
    model = model_of(**random_problem(np.random.default_rng(seed)))
    branches = branches_of(model)
    point, best = solve(model, branches), brute_force(model, branches)
    if point is None:
        assert not np.isfinite(best)
        return
    assert point.objective <= best * 1.001
    assert all(float(ratio) <= 1 + 1e-5 for ratio in violations(point.columns, model.problem.limits).values())


def test_a_budget_alone_gives_the_closed_form():
    for flops in (1e20, 1e22, 1e24):
        got = plan(PlanRequest(compute_flops=flops, draws=0), BOOK).values
        closed = call("allocate", {"compute_flops": flops}).values
        assert got["params_total"].number == pytest.approx(closed["params_total"].number, rel=1e-3)
        assert got["loss"].number == pytest.approx(closed["loss"].number, rel=1e-9)


def test_lowest_cost_at_a_loss_with_demand_is_sardanas_optimum():
    """With one price for training and serving FLOPs the dollar optimum is the FLOP optimum of Sardana et al. 2024, eq. 3."""
    model = model_of(objective="lowest_cost", target_loss=2.1, inference_tokens=1e12, mfu=0.4, price_per_accelerator_hour_usd=2.0, draws=0)
    branch = branches_of(model)[0]

    def served(N):
        return 2 * np.asarray(N, float) * 1e6 * model.usd_per_flop(branch, N)  # USD per million tokens at training's own price of a FLOP

    from dataclasses import replace

    from tools.plan.evaluate import Serving

    point = solve(model, [replace(branch, serving=Serving(served, lambda N: 0.0 * np.asarray(N, float)))])
    wanted = call("allocate", {"target_loss": 2.1, "inference_tokens": 1e12}).values["params_total"].number
    assert size_of(point) == pytest.approx(wanted, rel=2e-3)


def test_limited_data_agrees_with_allocate():
    got = plan(PlanRequest(compute_flops=1e22, unique_tokens=2e10, draws=0), BOOK).values
    other = call("allocate", {"compute_flops": 1e22, "unique_tokens": 2e10}).values
    assert got["params_total"].number == pytest.approx(other["params_total"].number, rel=2e-3)
    assert got["epochs"].number == pytest.approx(other["epochs"].number, rel=2e-3)


def test_intervals_hold_the_value_and_repeat_with_the_seed():
    one, two = (plan(PlanRequest(compute_flops=1e22, accelerator="h100-sxm", draws=500, seed=3), BOOK) for _ in range(2))
    assert one == two
    for key in ("params_total", "tokens", "loss", "train_usd"):
        value = one.values[key]
        assert value.low < value.number < value.high


def test_fewer_bits_never_lower_the_loss_of_a_size():
    model = model_of(compute_flops=1e22, memory_bytes=1e10, draws=0)
    branches = {branch.bits: branch for branch in branches_of(model)}
    losses = [float(model.loss(branches[bits], np.array([5e9]), np.array([2e11]))[0]) for bits in (16.0, 8.0, 4.0, 3.0, 2.0)]
    assert losses == sorted(losses)


def test_memory_decides_between_size_and_width():
    narrow = plan(PlanRequest(compute_flops=1e22, memory_bytes=8e9, draws=0), BOOK).values
    assert narrow["weight_bits"].number < 16
    assert narrow["weight_bytes"].number <= 8e9


def test_experts_help_when_memory_is_plenty_and_not_when_it_is_scarce():
    roomy = plan(PlanRequest(compute_flops=1e21, architecture="moe", draws=0), BOOK).values
    tight = plan(PlanRequest(compute_flops=1e21, architecture="moe", memory_bytes=3e9, weight_bits=16, draws=0), BOOK).values
    assert roomy["n_experts"].number > tight["n_experts"].number


def test_infeasible_problems_name_the_least_relaxation():
    result = plan(
        PlanRequest(params_total=70e9, tokens=1e12, n_accelerators=8, accelerator="h100-sxm", duration_seconds=30 * 86400.0, mfu=0.4), BOOK
    )
    assert not result.feasible
    limit, stated, needed, factor = result.tables[0].rows[0]
    assert limit == "the deadline"
    assert needed == pytest.approx(6 * 70e9 * 1e12 / (8 * 989.4e12 * 0.4), rel=1e-3)
    assert factor == pytest.approx(needed / stated)


def test_a_relaxed_problem_is_feasible():
    fields = {"compute_flops": 1e22, "price_per_million_tokens_usd": 1e-4, "draws": 0}
    model = model_of(**fields)
    needed = next(item for item in relaxations(model, branches_of(model)) if item.limit == "price_per_million_tokens_usd").needed
    assert plan(PlanRequest(**(fields | {"price_per_million_tokens_usd": needed * 1.01})), BOOK).feasible


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "compute_flops"),
        ({"objective": "fastest", "compute_flops": 1e22}, "target_loss"),
        ({"compute_flops": 1e22, "weight_bits": 5}, "weight_bits"),
        ({"compute_flops": 1e22, "accelerator": "h900"}, "accelerator"),
    ],
)
def test_bad_problems_name_their_field(fields, field):
    with pytest.raises(InputError) as caught:
        plan(PlanRequest(**fields), BOOK)
    assert caught.value.field == field


def test_a_law_in_another_unit_of_loss_is_refused_by_a_joint_plan() -> None:
    with pytest.raises(InputError, match="bits/char"):
        plan(PlanRequest(compute_flops=1e22, accelerator="h100-sxm", n_accelerators=64, law="farseer2025"), BOOK)


@pytest.mark.parametrize(
    "fields",
    [
        {"compute_flops": 1e22, "n_accelerators": 8, "price_per_million_tokens_usd": 0.2},
        {"budget_usd": 1e5},
        {"n_accelerators": 512, "duration_seconds": 30 * 86400.0, "accelerator": "a100-80gb"},
        {"target_loss": 2.1, "duration_seconds": 14 * 86400.0},
        {"compute_flops": 3e22, "architecture": "moe", "n_accelerators": 64},
    ],
)
def test_a_plan_and_the_tools_asked_about_it_tell_the_same_hours(fields) -> None:
    found = plan(PlanRequest(draws=0, around=False, **fields), BOOK).values
    run = {
        name: found[name].value
        for name in ("params_total", "params_active", "n_experts", "tokens", "accelerator", "n_accelerators")
        if name in found
    }
    timed = call("wall_clock", run).values
    billed = call("cost", run).values
    assert timed["mfu"].number == pytest.approx(found["mfu"].number, rel=1e-6)
    assert timed["mfu"].low == pytest.approx(found["mfu"].low, rel=1e-6)
    assert timed["accelerator_hours"].number == pytest.approx(found["accelerator_hours"].number, rel=1e-6)
    assert billed["cost_usd"].number == pytest.approx(found["train_usd"].number, rel=1e-6)


def test_a_plan_fits_its_cluster_and_says_when_no_size_does() -> None:
    found = plan(PlanRequest(compute_flops=1e25, n_accelerators=8, accelerator="h100-sxm", draws=0, around=False), BOOK).values
    run = {"params_total": found["params_total"].value, "tokens": 1e12, "accelerator": "h100-sxm", "n_accelerators": 8}
    assert call("wall_clock", run).feasible
    refused = plan(PlanRequest(params_total=70e9, tokens=1e12, n_accelerators=8, accelerator="h100-sxm"), BOOK)
    assert not refused.feasible
    assert "32 x h100-sxm would do" in refused.warnings[0].text


def test_tokens_for_a_loss_are_not_shared_between_problems() -> None:
    model = model_of(target_loss=2.2)
    branch = branches_of(model)[0]
    sizes = np.geomspace(1e9, 1e11, 5)
    looser = replace(model, problem=replace(model.problem, limits=replace(model.problem.limits, target_loss=2.4)))
    assert (model.tokens(branch, sizes) > looser.tokens(branch, sizes)).all()
