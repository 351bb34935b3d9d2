"""What an MoE of a given size is worth against dense models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from knowledge.errors import MissingInput
from knowledge.library import LawBook
from tools._draft import Draft
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools.convert import FLOPS_PER_PARAM_TOKEN
from tools.experts.request import LAW, LEVERAGE_LAW, ROUTED_LAW, SPARSE_LAW, MoeRequest, expansion
from tools.forms import get_form
from tools.law import evaluate, region_flags
from tools.result import Alternative, Table, Value
from tools.surface import DEFAULT_LAW

_LEVERAGE_BUDGETS = (1e20, 1e21, 1e22, 1e23, 1e24)
_TYPICAL_EXPANSION = 8.0
_MOST_SPARSE = 1e4  # total over active beyond which a law fitted to 95% sparsity has nothing to say


def for_model(request: MoeRequest, laws: LawBook, draft: Draft) -> None:
    """An active size (and perhaps total, tokens, experts) is given: what it is worth against dense."""
    case = _case(request, laws, draft)
    asked_leverage = request.tokens is None
    if asked_leverage:
        add_leverage(request, case.flops, case.expansion, laws, draft, lead=True)
    loss, dense = (law_value(laws, LAW, "loss", {"N_act": case.active, "D": case.tokens, "E": e}) for e in (case.expansion, 1.0))
    draft.lead(loss_gain=_loss_gain(case, loss, dense), dense_equivalent_params=dense_equivalent(laws, case.tokens, loss))
    draft.values["loss"] = loss
    if not asked_leverage:
        add_leverage(request, case.flops, case.expansion, laws, draft)
    draft.alternatives += _other_laws(request, laws, case)
    draft.reasons.append(
        "The same active size and tokens with and without experts on one loss surface; "
        "differences travel better between corpora than losses."
    )


@dataclass(frozen=True)
class _Case:
    """Active params, tokens and the law's expert count of the model at hand."""

    active: float
    tokens: float
    expansion: float

    @property
    def flops(self) -> float:
        return FLOPS_PER_PARAM_TOKEN * self.active * self.tokens


def _case(request: MoeRequest, laws: LawBook, draft: Draft) -> _Case:
    """What the question states, the rest filled in and listed as assumed."""
    experts = expansion(request, draft)
    active = request.params_active
    if active is None:
        if experts is None or request.params_total is None:
            raise MissingInput(
                (("params_active",), ("params_total", "n_experts", "experts_per_token")), "the worth of a mixture of experts"
            )
        active = _active_from_total(laws, request.params_total, experts)
        layout = "layout of Ludziejewski et al. 2025, app. B"
        draft.lead(params_active=arithmetic(active, "active parameters", "params", "params_active", layout, law=LAW))
    if experts is None:
        experts = max(1.0, request.params_total / active) if request.params_total else _TYPICAL_EXPANSION
        source = "total over active params, as experts of one active" if request.params_total else "none stated"
        draft.assume("n_experts", experts, source)
    tokens = request.tokens or (request.compute_flops / (FLOPS_PER_PARAM_TOKEN * active) if request.compute_flops else None)
    if tokens is None:
        tokens = evaluate(laws.get(DEFAULT_LAW), "optimum_for_params", {"N": active}).values["D"].number
        draft.assume("tokens", tokens, f"compute-optimal for a dense model of the active size ({DEFAULT_LAW})", "tokens")
    return _Case(active, tokens, experts)


def _loss_gain(case: _Case, loss: Value, dense: Value) -> Value:
    label = "loss below a dense model of the active size on the same tokens"
    inputs = {"N_act": case.active, "D": case.tokens, "E": case.expansion}
    return arithmetic(dense.number - loss.number, label, "nats/token", "loss_difference", "L(N_act, D, 1) - L(N_act, D, E)", loss.source,
                      law=LAW, relation="loss", inputs=inputs, outside=loss.outside)  # fmt: skip


def _other_laws(request: MoeRequest, laws: LawBook, case: _Case) -> list[Alternative]:
    """The routed law's dense equivalent and, where the total is known, the sparsity law's gain."""
    routed = evaluate(laws.get(ROUTED_LAW), "effective_params", {"N": case.active, "E": max(case.expansion, 1.0)}).values["EPC"]
    note = "at 130B tokens; finds a smaller benefit at larger sizes"
    found = [Alternative(name=ROUTED_LAW, values={"dense_equivalent_params": routed}, note=note)]
    total = request.params_total
    if total is not None and case.active < total < _MOST_SPARSE * case.active:
        point = {"N": total, "D": case.tokens, "S": 1 - case.active / total}
        loss, dense = (law_value(laws, SPARSE_LAW, "loss", at) for at in (point, {"N": case.active, "D": case.tokens, "S": 0.0}))
        gain = arithmetic(dense.number - loss.number, "loss below a dense model of the active size", "nats/token", "loss_difference",
                          law=SPARSE_LAW, relation="loss", inputs=point, outside=loss.outside)  # fmt: skip
        found.append(Alternative(name=SPARSE_LAW, values={"loss_gain": gain}))
    return found


def _active_from_total(laws: LawBook, total: float, E: float) -> float:
    from tools.forms._solve import bisect

    root = bisect(
        lambda x: np.log(law_numbers(laws, LAW, "params", {"N_act": np.exp(x), "E": E})["N_total"] / total),
        np.log(total / (2 * E)),
        np.log(total),
    )
    return float(np.exp(root))


def dense_equivalent(laws: LawBook, D: float, loss: Value) -> Value:
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


def dense_multiple(laws: LawBook, C: float, loss: float) -> Value:
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


def add_leverage(request: MoeRequest, flops: float, experts: float | None, laws: LawBook, draft: Draft, lead: bool = False) -> None:
    """Dense compute over MoE compute at equal loss, by activation ratio (Tian et al. 2025); in the headline if `lead`."""
    share = _activation(request, experts, laws, draft)
    if share is None:
        return
    G = request.granularity
    if G is None:
        G = law_value(laws, LEVERAGE_LAW, "best_granularity", {}).number
        draft.assume("granularity", G, "the best by Tian et al. 2025 (2 d_model / d_expert); a coarser layout has less leverage")
    label = "efficiency leverage: dense compute over MoE compute at equal loss"
    found = {
        "efficiency_leverage": law_value(laws, LEVERAGE_LAW, "leverage", {"A": share, "G": G, "C": flops}, label=label),
        "activation_ratio": arithmetic(share, "activation ratio", "", "fraction", "(active + shared)/(all + shared) experts"),
    }
    if lead or request.activation_ratio is not None:
        draft.values |= found
        draft.headline = [*found, *draft.headline] if request.activation_ratio is not None else [*draft.headline, *found]
        draft.tables.append(_leverage_table(laws, share, G))
    else:
        draft.values |= found


def _activation(request: MoeRequest, experts: float | None, laws: LawBook, draft: Draft) -> float | None:
    if request.activation_ratio is not None:
        return request.activation_ratio
    if request.n_experts and request.experts_per_token:
        if request.n_shared_experts is None:
            draft.assume("n_shared_experts", 0, "none stated")
        counts = {"E": request.n_experts, "E_a": request.experts_per_token, "E_s": request.n_shared_experts or 0.0}
        return float(law_numbers(laws, LEVERAGE_LAW, "activation_ratio", counts)["A"])
    return 1 / experts if experts and experts > 1 else None


def _leverage_table(laws: LawBook, share: float, G: float) -> Table:
    by_compute = law_numbers(laws, LEVERAGE_LAW, "leverage", {"A": share, "G": G, "C": np.array(_LEVERAGE_BUDGETS)})["EL"]
    card = laws.get(LEVERAGE_LAW)
    flags = ["; ".join(region_flags(card, "leverage", card.default_variant, {"C": c})) for c in _LEVERAGE_BUDGETS]
    columns = {"compute_flops": ("MoE training compute", "FLOP"), "leverage": ("leverage", ""), "region": ("note", "")}
    rows = [[c, float(v), flag] for c, v, flag in zip(_LEVERAGE_BUDGETS, by_compute, flags, strict=True)]
    return table("leverage_by_compute", "Efficiency leverage by training compute", columns, rows)
