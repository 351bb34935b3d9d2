"""What the joint planner reproduces, how close it comes to brute force, and how fast it is.

python -m evals.plan_report            the whole report (about a minute)
python -m evals.plan_report --problems 20
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from knowledge.library import LawBook
from tools.law import evaluate
from tools.plan import PlanRequest, branches_of, plan, resolve, solve
from tools.plan.bits import qat_share
from tools.plan.evaluate import Model, feasible, objective_of, violations
from tools.registry import call
from tools.surface import surface

BOOK = LawBook()

# (name, params, tokens, what the makers wanted beyond the least training loss); sizes and tokens as their reports print them.
CHOICES: tuple[tuple[str, float, float, str], ...] = (
    ("GPT-3 175B", 175e9, 300e9, "chosen by Kaplan's exponents"),
    ("Gopher 280B", 280e9, 300e9, "same tokens as GPT-3"),
    ("Chinchilla 70B", 70e9, 1.4e12, "compute-optimal by its own approaches at Gopher's budget"),
    ("Llama 2 7B", 6.74e9, 2e12, "small to serve"),
    ("Llama 3 8B", 8.03e9, 15e12, "small to serve"),
    ("Llama 3 405B", 405e9, 15.6e12, "compute-optimal by its own isoFLOP fit at 3.8e25 FLOP"),
)


def choices() -> None:
    """Published choices beside what flopwise would have said for their compute."""
    print("\nWhat flopwise would have said (default law, C = 6 N D)\n")
    print(
        f"{'run':<16}{'theirs N':>10}{'D':>9}{'ours N':>10}{'D':>9}{'90% N':>18}{'loss above best':>17}{'theirs/ours at equal loss':>36}   why they differ"
    )
    for name, params, tokens, wanted in CHOICES:
        judged = call("allocate", {"params_total": params, "tokens": tokens}).values
        best = call("allocate", {"compute_flops": 6 * params * tokens}).values
        size = best["params_total"]
        print(
            f"{name:<16}{params:>10.3g}{tokens:>9.3g}{size.number:>10.3g}{best['tokens'].number:>9.3g}{f'{size.low:.3g}-{size.high:.3g}':>18}"
            f"{judged['loss_above_optimum'].number:>17.4f}{judged['compute_ratio_to_optimum'].number:>36.3f}   {wanted}"
        )


def published() -> None:
    """Joint results of papers against the same relations inside the planner."""
    print("\nPublished joint results\n")
    sardana = BOOK.get("sardana2024")
    failures = 0
    for check in sardana.checks:
        got = evaluate(
            sardana, check.relation, {k: float(v) for k, v in check.given.items() if isinstance(v, int | float)}, check.variant
        ).values
        for key, wanted in check.expect.items():
            error = got[key].number / wanted - 1
            failures += abs(error) > (check.rel_tol or 0.05)
            print(
                f"  Sardana {check.relation} {dict(check.given)} {key}: published {wanted:.4g}, here {got[key].number:.4g} ({error:+.1%})"
            )
    limited = plan(PlanRequest(compute_flops=9.3e21, unique_tokens=25e9, draws=0), BOOK).values
    print(
        f"  Muennighoff, 9.3e21 FLOP over 25B unique tokens (paper: 6.34B params, 9.7 epochs; with this loss surface instead of theirs): "
        f"{limited['params_total'].number:.3g} params, {limited['epochs'].number:.1f} epochs"
    )
    for size, tokens, bits in ((86e6, 2.3e9, 6), (86e6, 1.4e12, 1), (759e6, 100e9, 4)):
        print(f"  QAT share, {size:.3g} params, {tokens:.3g} tokens, {bits} bits: {float(qat_share(BOOK, size, tokens, bits)):.3f}")
    print(f"  {failures} outside their tolerance")


def random_problem(rng: np.random.Generator) -> dict[str, object]:
    """A plan problem with random budgets and limits; feasible or not."""
    fields: dict[str, object] = {
        "accelerator": str(rng.choice(["h100-sxm", "a100-80gb", "b200"])),
        "draws": 0,
        "mfu": float(rng.uniform(0.2, 0.6)),
    }
    kind = int(rng.integers(0, 4))
    if kind == 0:
        fields["compute_flops"] = float(10 ** rng.uniform(19, 25))
    elif kind == 1:
        fields["budget_usd"] = float(10 ** rng.uniform(3, 8))
    elif kind == 2:
        fields |= {"n_accelerators": int(2 ** rng.integers(2, 12)), "duration_seconds": float(rng.uniform(1, 120) * 86400)}
    else:
        fields |= {"objective": "lowest_cost", "target_loss": float(rng.uniform(1.95, 2.6))}
    for name, chance, low, high in (("unique_tokens", 0.3, 9, 12), ("memory_bytes", 0.4, 9, 11.5), ("inference_tokens", 0.2, 10, 13)):
        if rng.random() < chance:
            fields[name] = float(10 ** rng.uniform(low, high))
    return fields


def brute_force(problems: int) -> None:
    """The optimum against a grid five times finer, and every limit."""
    worst, violated, infeasible = 0.0, 0, 0
    for seed in range(problems):
        request = PlanRequest.model_validate(random_problem(np.random.default_rng(seed)))
        model = Model(surface(BOOK, request.law), BOOK, resolve(request))
        branches = branches_of(model)
        point, sizes, best = solve(model, branches), np.geomspace(1e6, 1e14, 4001), np.inf
        for branch in branches:
            columns = model.columns(branch, sizes)
            best = min(best, float(np.where(feasible(columns, model.problem.limits), objective_of(columns, model.problem), np.inf).min()))
        if point is None:
            infeasible += 1
            assert not np.isfinite(best)
            continue
        worst = max(worst, point.objective / best - 1)
        violated += any(float(ratio) > 1 + 1e-5 for ratio in violations(point.columns, model.problem.limits).values())
    print(
        f"\nBrute force: {problems} random problems, {infeasible} infeasible by both; "
        f"worst objective {worst:+.3%} of the grid's best; {violated} violate a limit"
    )


def timed(name: str, fn: Callable[[], object], repeats: int = 3) -> None:
    """Least wall time of a few repeats."""
    best = min(_seconds(fn) for _ in range(repeats))
    print(f"  {name}: {best:.3f} s")


def _seconds(fn: Callable[[], object]) -> float:
    start = time.perf_counter()
    fn()
    return time.perf_counter() - start


def speed() -> None:
    """Wall times, warm."""
    from agent import ask
    from agent.brief import Brief
    from agent.replay import recompute, save
    from agent.state import Context

    print("\nSpeed (warm)\n")
    request = PlanRequest(compute_flops=1e22, n_accelerators=8, accelerator="h100-sxm", price_per_million_tokens_usd=0.2, draws=1000)
    timed("a full joint plan with 1000 draws", lambda: plan(request, BOOK))
    model = Model(surface(BOOK, None), BOOK, resolve(request))
    branches = branches_of(model)
    sizes = np.geomspace(1e6, 1e14, 100_000 // len(branches))
    timed("100,000 candidates evaluated", lambda: [feasible(model.columns(branch, sizes), model.problem.limits) for branch in branches])
    answer = ask(brief=Brief.read({"task": "allocate", "compute_flops": 1e22, "n_accelerators": 8, "accelerator": "h100-sxm"}))
    data = save(answer, Context())
    timed("a saved plan with a changed field", lambda: recompute(data, {"n_accelerators": 16}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    options = parser.parse_args()
    choices()
    published()
    brute_force(options.problems)
    speed()
