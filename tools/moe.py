"""`moe`: dense or mixture of experts, how many experts, total and active size, and what they are worth over dense."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools.forms import get_form
from tools.law import evaluate, region_flags
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value
from tools.surface import DEFAULT_LAW

LAW = "ludziejewski2025_joint_moe"
LEVERAGE_LAW, GRANULAR_LAW, ROUTED_LAW, SPARSE_LAW = "tian2025_leverage", "krajewski2024_moe", "clark2022_routed", "abnar2025_moe_sparsity"
NEEDS = (("compute_flops",), ("params_active",), ("params_total", "n_experts"), ("memory_bytes",))
_EXPANSIONS = (1, 2, 4, 8, 16, 32)
_BUDGETS = (1e21, 1e22, 1e23, 1e24)
_LEVERAGE_BUDGETS = (1e20, 1e21, 1e22, 1e23, 1e24)
_KV_TOKENS = 16384.0  # the setting of Ludziejewski et al. 2025, table 2


class MoeRequest(ToolRequest):
    """A budget, a size, an expert layout or a memory limit; fields and units of the brief."""

    compute_flops: float | None = Field(None, gt=0)
    params_total: float | None = Field(None, gt=0)
    params_active: float | None = Field(None, gt=0)
    tokens: float | None = Field(None, gt=0)
    n_experts: float | None = Field(None, ge=1)
    experts_per_token: float | None = Field(None, ge=1)
    n_shared_experts: float | None = Field(None, ge=0)
    memory_bytes: float | None = Field(None, gt=0)
    weight_bits: float | None = Field(None, gt=0)
    inference_tokens: float | None = Field(None, ge=0)
    law: str | None = None


@dataclass
class _Draft:
    """The answer being put together."""

    headline: list[str] = field(default_factory=list[str])
    values: dict[str, Value] = field(default_factory=dict[str, Value])
    tables: list[Table] = field(default_factory=list[Table])
    alternatives: list[Alternative] = field(default_factory=list[Alternative])
    assumptions: list[Assumption] = field(default_factory=list[Assumption])
    warnings: list[Notice] = field(default_factory=list[Notice])
    reasons: list[str] = field(default_factory=list[str])

    def lead(self, **values: Value) -> None:
        self.values |= values
        self.headline += list(values)

    def assume(self, name: str, value: float, source: str, unit: str = "") -> None:
        self.assumptions.append(Assumption(field=name, value=value, unit=unit, source=source))


@tool(task="moe", title="Dense or mixture of experts, and how many experts", needs=NEEDS)
def moe(request: MoeRequest, laws: LawBook) -> Result:
    """Active and total size, expert count and advantage over dense by the joint law (Ludziejewski et al. 2025), others beside it.

    Raises InputError where active params or experts exceed their totals, MissingInput where nothing bounds the question.
    """
    _consistent(request)
    draft = _Draft()
    if request.memory_bytes is not None:
        _memory(request, laws, draft)
    elif request.params_active is not None and (request.tokens is not None or request.params_total is not None):
        _given_model(request, laws, draft)
    elif request.compute_flops is not None:
        _budget(request, laws, draft)
    elif request.params_active is not None or request.params_total is not None:
        _given_model(request, laws, draft)
    else:
        raise MissingInput(NEEDS, "a mixture of experts")
    _promote(request.law, draft)
    draft.warnings.append(
        Notice(
            level="caution",
            text="Equal loss is not equal memory or speed: an MoE holds all its experts in memory, and benchmarks with forced balance "
            "run 8 to 20% faster than real routing.",
        )
    )
    return Result(
        tool="moe",
        task="moe",
        headline=draft.headline,
        values=draft.values,
        tables=draft.tables,
        alternatives=draft.alternatives,
        assumptions=draft.assumptions,
        warnings=draft.warnings,
        reasons=draft.reasons,
    )


def _promote(law: str | None, draft: _Draft) -> None:
    """A law asked for by name leads with its own numbers, where it has any."""
    own = next((alternative.values for alternative in draft.alternatives if alternative.name == law), None)
    if law == LEVERAGE_LAW and "efficiency_leverage" in draft.values:
        own = {"efficiency_leverage": draft.values["efficiency_leverage"], **(own or {})}
    if own:
        draft.values = {**draft.values, **own}
        draft.headline = [*own, *(key for key in draft.headline if key not in own)]


def _consistent(request: MoeRequest) -> None:
    if request.params_active and request.params_total and request.params_active > request.params_total:
        raise InputError(
            "params_active",
            f"{request.params_active:.3g} active params exceed the {request.params_total:.3g} in all",
            "active is the part used per token",
        )
    if request.n_experts and request.experts_per_token and request.experts_per_token > request.n_experts:
        raise InputError(
            "experts_per_token",
            f"{request.experts_per_token:g} of {request.n_experts:g} experts cannot be active",
            "give at most n_experts",
        )


def _expansion(request: MoeRequest, draft: _Draft) -> float | None:
    """The law's expert count: its experts are as wide as a dense layer with one active, so k of E stand for E/k."""
    if request.n_experts is None:
        return None
    k = request.experts_per_token
    if k is None:
        draft.assume("experts_per_token", 1, "one active expert, the setting of Ludziejewski et al. 2025")
    elif k > 1:
        draft.assume(
            "expansion",
            request.n_experts / k,
            f"{k:g} of {request.n_experts:g} experts stand for 1 of {request.n_experts / k:g} in the law, whose experts are one at a time",
        )
    return request.n_experts / (k or 1)


def _best_expansion(laws: LawBook, C: float) -> float:
    losses = law_numbers(laws, LAW, "optimum", {"F": C, "E": np.array(_EXPANSIONS, float)})["L"]
    return float(_EXPANSIONS[int(np.argmin(losses))])


def _budget(request: MoeRequest, laws: LawBook, draft: _Draft) -> None:
    """A training budget: least loss with experts against least loss without."""
    C = request.compute_flops
    assert C is not None
    stated = _expansion(request, draft)
    E = stated or _best_expansion(laws, C)
    best = evaluate(laws.get(LAW), "optimum", {"F": C, "E": E}).values
    dense = evaluate(laws.get(LAW), "optimum", {"F": C, "E": 1}).values
    if stated is None and request.params_active is None:
        draft.lead(recommendation=arithmetic("moe" if best["L"].number < dense["L"].number else "dense", "dense or mixture of experts"))
    if request.params_active is not None:
        _at_active(request.params_active, C, E, laws, draft)
    else:
        draft.lead(params_active=best["N_act"], params_total=best["N_total"], tokens=best["D"])
    draft.values["n_experts"] = arithmetic(request.n_experts or E, "experts per layer", "experts", "experts", law=LAW)
    if stated is None:
        draft.headline.append("n_experts")
        draft.values["n_experts"] = draft.values["n_experts"].model_copy(
            update={
                "label": "experts per layer, one active, each as wide as a dense layer",
                "note": "largest count the law was fitted on" if _EXPANSIONS[-1] == E else "",
            }
        )
        _granularity(C, E, laws, draft)
    reached = draft.values.get("loss", best["L"])  # of the stated active size, else of the best one
    draft.lead(
        loss_gain=arithmetic(
            dense["L"].number - reached.number,
            "loss below the best dense model of the same compute",
            "nats/token",
            "loss_difference",
            "L(F, 1) - L(F, E)",
            reached.source,
            law=LAW,
            relation="optimum",
            inputs={"F": C, "E": E},
            outside=reached.outside,
        )
    )
    draft.values["dense_compute_multiple"] = _dense_multiple(laws, C, reached.number)
    _leverage(request, C, E, laws, draft)
    draft.tables.append(_expert_table(laws, C, request.params_active))
    draft.alternatives += _budget_alternatives(laws, C, E, dense)
    draft.reasons.append(
        "Active size and tokens minimise the joint law's loss at this compute; more experts lower it further, at the price of memory."
    )


def _dense_multiple(laws: LawBook, C: float, loss: float) -> Value:
    """Compute a dense model needs for a loss by the same law, over C: its Chinchilla form at one expert."""
    r, c = law_numbers(laws, LAW, "reduced", {"E": 1.0}), float(laws.get(LAW).variants["table3"].values["c"])  # pyright: ignore[reportArgumentType]
    need = get_form("chinchilla_compute_for_loss").fn(loss, E=c, A=r["m"], B=r["n"], alpha=r["mu"], beta=r["nu"])["C"]
    return arithmetic(
        need / C,
        "compute a dense model needs for the same loss, over this",
        "",
        "ratio",
        "least 6 N D with L(N, D, 1) = L",
        law=LAW,
        relation="reduced",
        inputs={"F": C, "L": loss},
        source="Ludziejewski et al. 2025, arXiv:2502.05172",
    )


def _at_active(N: float, C: float, E: float, laws: LawBook, draft: _Draft) -> None:
    D = C / (6 * N)
    draft.lead(
        params_total=law_value(laws, LAW, "params", {"N_act": N, "E": E}, "N_total", label="parameters in all"),
        tokens=arithmetic(D, "tokens", "tokens", "tokens", "D = C/(6 N_active)", inputs={"C": C, "N_active": N}),
    )
    draft.values["loss"] = law_value(laws, LAW, "loss", {"N_act": N, "D": D, "E": E}, label="expected loss (FineWeb-Edu)")


def _granularity(C: float, E: float, laws: LawBook, draft: _Draft) -> None:
    """Finer experts: the best granularity of the budget by one law, that of greatest leverage by another."""
    fine = law_value(laws, GRANULAR_LAW, "optimum", {"F": C}, "G", label="granularity, 4 d_model / d_expert")
    lever = law_value(laws, LEVERAGE_LAW, "best_granularity", {}, label="granularity of greatest leverage, in 4 d_model / d_expert")
    lever = lever.model_copy(update={"value": 2 * lever.number, "note": "doubled from 2 d_model / d_expert"})
    draft.lead(granularity=fine)
    draft.values |= {
        "granularity_leverage": lever,
        "routed_experts": arithmetic(E * fine.number, "fine experts per layer at that granularity", "experts", "experts", "E x G"),
        "routed_experts_per_token": arithmetic(fine.number, "of them active per token", "experts", "experts", "G"),
    }


def _leverage(request: MoeRequest, C: float, E: float | None, laws: LawBook, draft: _Draft, lead: bool = False) -> None:
    """Dense compute over MoE compute at equal loss, by activation ratio (Tian et al. 2025)."""
    if request.n_experts and request.experts_per_token:
        shared = request.n_shared_experts or 0.0
        A = float(
            law_numbers(laws, LEVERAGE_LAW, "activation_ratio", {"E": request.n_experts, "E_a": request.experts_per_token, "E_s": shared})[
                "A"
            ]
        )
        if request.n_shared_experts is None:
            draft.assume("n_shared_experts", 0, "none stated")
    elif E and E > 1:
        A = 1 / E
    else:
        return
    G = law_value(laws, LEVERAGE_LAW, "best_granularity", {}).number
    draft.assume("granularity", G, "the best by Tian et al. 2025 (2 d_model / d_expert); a coarser layout has less leverage")
    card = laws.get(LEVERAGE_LAW)
    value = law_value(
        laws, LEVERAGE_LAW, "leverage", {"A": A, "G": G, "C": C}, label="efficiency leverage: dense compute over MoE compute at equal loss"
    )
    found = {
        "efficiency_leverage": value,
        "activation_ratio": arithmetic(A, "activation ratio", "", "fraction", "(active + shared)/(all + shared) experts"),
    }
    if lead:
        draft.lead(**found)
        by_compute = law_numbers(laws, LEVERAGE_LAW, "leverage", {"A": A, "G": G, "C": np.array(_LEVERAGE_BUDGETS)})["EL"]
        rows = [
            [c, float(v), "; ".join(region_flags(card, "leverage", "unified", {"C": c}))]
            for c, v in zip(_LEVERAGE_BUDGETS, by_compute, strict=True)
        ]
        draft.tables.append(
            table(
                "leverage_by_compute",
                "Efficiency leverage by training compute",
                {"compute_flops": ("MoE training compute", "FLOP"), "leverage": ("leverage", ""), "region": ("note", "")},
                rows,
            )
        )
    else:
        draft.values |= found


def _expert_table(laws: LawBook, C: float, N: float | None) -> Table:
    E = np.array(_EXPANSIONS, float)
    best = law_numbers(laws, LAW, "optimum", {"F": C, "E": E})
    size = best["N_act"] if N is None else np.full(E.shape, N)
    D = C / (6 * size)
    loss = law_numbers(laws, LAW, "loss", {"N_act": size, "D": D, "E": E})["L"]
    total = law_numbers(laws, LAW, "params", {"N_act": size, "E": E})["N_total"]
    columns = {
        "n_experts": ("experts", ""),
        "params_active": ("active", "params"),
        "params_total": ("total", "params"),
        "tokens": ("tokens", "tokens"),
        "loss": ("loss", "nats/token"),
    }
    return table(
        "by_experts",
        "Best use of the budget by number of experts (one active)" if N is None else "The active size by number of experts (one active)",
        columns,
        [[float(x) for x in row] for row in zip(E, size, total, D, loss, strict=True)],
    )


def _budget_alternatives(laws: LawBook, C: float, E: float, dense: dict[str, Value]) -> list[Alternative]:
    found = [Alternative(name="dense, by the same law", values={"params_total": dense["N_act"], "tokens": dense["D"]})]
    plain = evaluate(laws.get(DEFAULT_LAW), "optimum", {"C": C}).values
    found.append(Alternative(name=f"dense, {DEFAULT_LAW}", values={"params_total": plain["N"], "tokens": plain["D"]}))
    fine = evaluate(laws.get(GRANULAR_LAW), "optimum", {"F": C}).values
    found.append(
        Alternative(
            name=GRANULAR_LAW,
            note="64-fold expansion, params without embeddings",
            values={
                "params_total": fine["N"],
                "params_active": fine["active"],
                "tokens": fine["D"],
                "granularity": fine["G"],
                "dense_compute_multiple": law_value(laws, GRANULAR_LAW, "dense_multiple", {"F": C}),
            },
        )
    )
    if E > 1:
        sparse = evaluate(laws.get(SPARSE_LAW), "optimum", {"C": C, "S": 1 - 1 / E}).values
        found.append(
            Alternative(name=SPARSE_LAW, values={"params_total": sparse["N"], "params_active": sparse["N_active"], "tokens": sparse["D"]})
        )
    split = evaluate(laws.get(LEVERAGE_LAW), "optimum", {"C": C}).values
    found.append(
        Alternative(
            name=LEVERAGE_LAW,
            note="active params of equal cost per token, activation 7.8%",
            values={"params_active": split["N_effective"], "tokens": split["D"]},
        )
    )
    return found


def _given_model(request: MoeRequest, laws: LawBook, draft: _Draft) -> None:
    """An active size (and perhaps total, tokens, experts) is given: what it is worth against dense."""
    E = _expansion(request, draft)
    N = request.params_active
    if N is None:
        if E is None or request.params_total is None:
            raise MissingInput(
                (("params_active",), ("params_total", "n_experts", "experts_per_token")), "the worth of a mixture of experts"
            )
        N = _active_from_total(laws, request.params_total, E)
        draft.lead(
            params_active=arithmetic(
                N, "active parameters", "params", "params_active", "layout of Ludziejewski et al. 2025, app. B", law=LAW
            )
        )
    if E is None:
        E = max(1.0, request.params_total / N) if request.params_total else 8.0
        draft.assume("n_experts", E, "total over active params, as experts of one active" if request.params_total else "none stated")
    D = request.tokens or (request.compute_flops / (6 * N) if request.compute_flops else None)
    if D is None:
        base = evaluate(laws.get(DEFAULT_LAW), "optimum_for_params", {"N": N}).values
        D = base["D"].number
        draft.assume("tokens", D, f"compute-optimal for a dense model of the active size ({DEFAULT_LAW})", "tokens")
    C = 6 * N * D
    moe_loss, dense_loss = (law_value(laws, LAW, "loss", {"N_act": N, "D": D, "E": e}) for e in (E, 1.0))
    asked_leverage = request.tokens is None
    if asked_leverage:
        _leverage(request, C, E, laws, draft, lead=True)
    draft.lead(
        loss_gain=arithmetic(
            dense_loss.number - moe_loss.number,
            "loss below a dense model of the active size on the same tokens",
            "nats/token",
            "loss_difference",
            "L(N_act, D, 1) - L(N_act, D, E)",
            moe_loss.source,
            law=LAW,
            relation="loss",
            inputs={"N_act": N, "D": D, "E": E},
            outside=moe_loss.outside,
        ),
        dense_equivalent_params=_dense_equivalent(laws, D, moe_loss),
    )
    draft.values["loss"] = moe_loss
    if not asked_leverage:
        _leverage(request, C, E, laws, draft)
    routed = evaluate(laws.get(ROUTED_LAW), "effective_params", {"N": N, "E": max(E, 1.0)}).values
    draft.alternatives.append(
        Alternative(
            name=ROUTED_LAW,
            values={"dense_equivalent_params": routed["EPC"]},
            note="at 130B tokens; finds a smaller benefit at larger sizes",
        )
    )
    if request.params_total is not None and request.params_total > N:
        S = 1 - N / request.params_total
        with_experts, without = (
            law_numbers(laws, SPARSE_LAW, "loss", {"N": n, "D": D, "S": s})["L"] for n, s in ((request.params_total, S), (N, 0.0))
        )
        gain = arithmetic(
            float(without - with_experts),
            "loss below a dense model of the active size",
            "nats/token",
            "loss_difference",
            law=SPARSE_LAW,
            relation="loss",
            inputs={"N": request.params_total, "D": D, "S": S},
            outside=region_flags(laws.get(SPARSE_LAW), "loss", "table3", {"N": request.params_total, "D": D, "S": S}),
        )
        draft.alternatives.append(Alternative(name=SPARSE_LAW, values={"loss_gain": gain}))
    draft.reasons.append(
        "The same active size and tokens with and without experts on one loss surface; "
        "differences travel better between corpora than losses."
    )


def _active_from_total(laws: LawBook, total: float, E: float) -> float:
    from tools.forms._solve import bisect

    root = bisect(
        lambda x: np.log(law_numbers(laws, LAW, "params", {"N_act": np.exp(x), "E": E})["N_total"] / total),
        np.log(total / (2 * E)),
        np.log(total),
    )
    return float(np.exp(root))


def _dense_equivalent(laws: LawBook, D: float, loss: Value) -> Value:
    """Dense params that reach the loss on the same tokens by the joint law; infinite where none do."""
    r, c = law_numbers(laws, LAW, "reduced", {"E": 1.0}), float(laws.get(LAW).variants["table3"].values["c"])  # pyright: ignore[reportArgumentType]
    N = float(get_form("chinchilla_params_for_loss").fn(loss.number, D, E=c, A=r["m"], B=r["n"], alpha=r["mu"], beta=r["nu"]))
    note = "" if np.isfinite(N) else "no dense model reaches this loss on these tokens by the law"
    return arithmetic(
        N if np.isfinite(N) else "none",
        "dense model of equal loss on the same tokens",
        "params" if np.isfinite(N) else "",
        "params_total",
        "L(N_dense, D, 1) = L(N_act, D, E)",
        loss.source,
        law=LAW,
        relation="reduced",
        inputs={"L": loss.number, "D": D},
        outside=loss.outside,
        note=note,
    )


def _memory(request: MoeRequest, laws: LawBook, draft: _Draft) -> None:
    """A memory limit: best expert count and size for the budget, or over several where none is stated."""
    width = (request.weight_bits or 16.0) / 8
    if request.weight_bits is None:
        draft.assume("weight_bits", 16, "bf16 weights, the setting of Ludziejewski et al. 2025", "bits")
    draft.assume(
        "kv_cache_tokens",
        _KV_TOKENS,
        "as in table 2 of Ludziejewski et al. 2025; the cache is held at the same width as the weights",
        "tokens",
    )
    budgets = [request.compute_flops] if request.compute_flops else list(_BUDGETS)
    inputs: dict[str, Any] = {
        "memory": request.memory_bytes,
        "kv_tokens": _KV_TOKENS,
        "bytes_per_value": width,
        "D_inf": request.inference_tokens or 0.0,
    }
    cases = [evaluate(laws.get(LAW), "memory_optimum", {"F": C, **inputs}).values for C in budgets]
    draft.lead(
        params_total_limit=arithmetic(
            (request.memory_bytes or 0.0) / width,
            "parameters that fit with no cache at all",
            "params",
            "params_total",
            "memory / bytes per weight",
        )
    )
    if request.compute_flops:
        best = cases[0]
        draft.lead(n_experts=best["E"], params_active=best["N_act"], params_total=best["N_total"], tokens=best["D"])
    else:
        for C, case in zip(budgets, cases, strict=True):
            draft.lead(
                **{
                    f"n_experts_at_{C:.0e}".replace("+", ""): case["E"].model_copy(
                        update={"label": f"experts per layer for a training budget of {C:.0e} FLOP".replace("+", "")}
                    )
                }
            )
        draft.warnings.append(
            Notice(
                level="info",
                text="The best number of experts depends on the training compute: a larger "
                     "budget fills the memory with active parameters instead.",
                source=LAW,
            )
        )
    columns = {
        "compute_flops": ("training compute", "FLOP"),
        "n_experts": ("experts", ""),
        "params_active": ("active", "params"),
        "params_total": ("total", "params"),
        "tokens": ("tokens", "tokens"),
        "loss": ("loss", "nats/token"),
    }
    draft.tables.append(
        table(
            "by_budget",
            "Best model in the memory by training compute",
            columns,
            [[C, *(case[k].number for k in ("E", "N_act", "N_total", "D", "L"))] for C, case in zip(budgets, cases, strict=True)],
        )
    )
    draft.reasons.append(
        "For each expert count the active size fills the memory or stops at its optimum; the "
        "count of least loss wins. Neighbouring counts differ little."
    )
