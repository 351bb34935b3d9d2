"""An MoE for a training budget: active and total size, tokens, expert count and granularity."""

from __future__ import annotations

import numpy as np

from knowledge.library import LawBook
from tools._draft import Draft
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools.experts.request import EXPANSIONS, GRANULAR_LAW, LAW, LEVERAGE_LAW, SPARSE_LAW, MoeRequest, expansion
from tools.experts.worth import add_leverage, dense_multiple
from tools.law import evaluate
from tools.result import Alternative, Table, Value
from tools.surface import DEFAULT_LAW


def for_budget(request: MoeRequest, flops: float, laws: LawBook, draft: Draft) -> None:
    """A training budget: least loss with experts against least loss without."""
    stated = expansion(request, draft)
    experts = stated or _best_expansion(laws, flops)
    best, dense = (evaluate(laws.get(LAW), "optimum", {"F": flops, "E": e}).values for e in (experts, 1.0))
    if stated is None and request.params_active is None:
        better = "mixture of experts" if best["L"].number < dense["L"].number else "dense"
        draft.lead(recommendation=arithmetic(better, "recommended"))
    if stated is None:
        _experts(flops, experts, laws, draft)
    if request.params_active is not None:
        _at_active(request.params_active, flops, experts, laws, draft)
    else:
        draft.lead(params_active=best["N_act"], params_total=best["N_total"], tokens=best["D"])
    reached = draft.values.get("loss", best["L"])  # of the stated active size, else of the best one
    draft.lead(loss_gain=_loss_gain(flops, experts, reached, dense["L"]))
    draft.values["dense_compute_multiple"] = dense_multiple(laws, flops, reached.number)
    add_leverage(request, flops, experts, laws, draft)
    draft.tables.append(_expert_table(laws, flops, request.params_active))
    draft.alternatives += _budget_alternatives(laws, flops, experts, dense)
    draft.reasons.append(
        "Active size and tokens minimise the joint law's loss at this compute; more experts lower it further, at the price of memory."
    )


def _experts(flops: float, experts: float, laws: LawBook, draft: Draft) -> None:
    note = "largest count the law was fitted on" if experts == EXPANSIONS[-1] else ""
    label = "experts per layer, one active, each as wide as a dense layer"
    draft.lead(n_experts=arithmetic(experts, label, "experts", "experts", law=LAW, relation="optimum", inputs={"F": flops}, note=note))
    _granularity(flops, experts, laws, draft)


def _loss_gain(flops: float, experts: float, reached: Value, dense: Value) -> Value:
    label = "loss below the best dense model of the same compute"
    return arithmetic(dense.number - reached.number, label, "nats/token", "loss_difference", "L(F, 1) - L(F, E)", reached.source, law=LAW,
                      relation="optimum", inputs={"F": flops, "E": experts}, outside=reached.outside)  # fmt: skip


def _best_expansion(laws: LawBook, C: float) -> float:
    losses = law_numbers(laws, LAW, "optimum", {"F": C, "E": np.array(EXPANSIONS, float)})["L"]
    return float(EXPANSIONS[int(np.argmin(losses))])


def _at_active(N: float, C: float, E: float, laws: LawBook, draft: Draft) -> None:
    D = C / (6 * N)
    draft.lead(
        params_total=law_value(laws, LAW, "params", {"N_act": N, "E": E}, "N_total", label="parameters in all"),
        tokens=arithmetic(D, "tokens", "tokens", "tokens", "D = C/(6 N_active)", inputs={"C": C, "N_active": N}),
    )
    draft.values["loss"] = law_value(laws, LAW, "loss", {"N_act": N, "D": D, "E": E}, label="expected loss (FineWeb-Edu)")


def _granularity(C: float, E: float, laws: LawBook, draft: Draft) -> None:
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


def _expert_table(laws: LawBook, C: float, N: float | None) -> Table:
    E = np.array(EXPANSIONS, float)
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
