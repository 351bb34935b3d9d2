"""A fit as a law card: the very same kind of thing as a published law, so that every tool can use it."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import Draws, LawCard, Range, Relation, Source, Variable, Variant
from tools.fitting.fitted import Fitted
from tools.fitting.runs import RunTable, describe_group

_TEMPLATE = "besiroglu2024"  # its relations are functions of E, A, B, alpha and beta alone
_SYMBOLS = {"params": "N", "tokens": "D", "flops": "C"}
_QUANTITY = {
    "params": "params_total",
    "tokens": "tokens",
    "flops": "flops",
    "unique_tokens": "unique_tokens",
    "width": "width",
    "depth": "layers",
    "epochs": "epochs",
    "vocab": "vocab_size",
    "experts": "experts",
    "bits": "bits",
    "step": "steps",
    "active_params": "params_active",
    "vocab_params": "params_vocabulary",
    "lr": "learning_rate",
}
CARD_DRAWS = 400  # joint draws carried by a card: enough for 90% intervals, small enough to read and send


def law_card(fit: Fitted, law_id: str = "", title: str = "", loss_quantity: str = "") -> LawCard:
    """The card of a fit. Raises InputError when the runs did not determine the law."""
    if not fit.params or fit.target is None:
        raise InputError("fit", "there is no law to write", fit.verdict)
    corpus = fit.table.group.get("dataset") or _only_word(fit.table, "dataset") or fit.table.source
    loss = loss_quantity or _loss_quantity(fit.table)
    region = _region(fit)
    return LawCard(
        id=law_id or _identifier(fit.table),
        title=title or f"Fit of {fit.spec.name} to {fit.table.source} ({describe_group(fit.table.group)})",
        authors="flopwise fit",
        year=0,
        area="own",
        kind="numeric",
        summary=f"{fit.spec.title}, fitted to {len(fit.table)} runs of {fit.table.source}",
        variants={"fit": _variant(fit)},
        default_variant="fit",
        relations=_relations(fit, corpus, loss),
        region=region,
        setting=f"{len(fit.table)} runs of {fit.table.source}; C = {fit.table.flops_per_param_token:g} N D where not given",
        caveats=[*fit.reasons, *(str(problem) for problem in fit.table.problems)][:40],
        uncertainty=f"bootstrap by {fit.spread.method}, {len(fit.spread.theta)} draws" if fit.spread else "none computed",
        sources=[Source(source=fit.table.source)],
    )


def _variant(fit: Fitted) -> Variant:
    draws = fit.draws()
    names = list(fit.spec.names)
    kept = None
    if draws:
        rows = np.stack([draws[name] for name in names], 1)[:CARD_DRAWS]
        kept = Draws(names=names, rows=[[float(f"{value:.9g}") for value in row] for row in rows[np.isfinite(rows).all(1)]])
    finite_se = {k: v for k, v in fit.se.items() if np.isfinite(v)}
    return Variant(
        label=f"{fit.spec.name}, Huber",
        values=dict(fit.params),
        stderr=finite_se,
        draws=kept,
        status="refit",
        source=fit.table.source,
        note=f"sum of Huber losses {fit.objective:.9g} on {len(fit.table)} runs; {fit.verdict}",
    )


def _only_word(table: RunTable, role: str) -> str:
    words = set(table.words[role].tolist()) if role in table.words else set()
    return str(next(iter(words))) if len(words) == 1 else ""


def _identifier(table: RunTable) -> str:
    text = "_".join([table.source.rsplit(".", 1)[0], *table.group.values()])
    clean = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "runs"
    digest = hashlib.sha256(np.ascontiguousarray(table["loss"]).tobytes()).hexdigest()[:6] if "loss" in table else "0"
    return f"fit_{clean[:60]}_{digest}"


def _loss_quantity(table: RunTable) -> str:
    kind = _only_word(table, "loss_kind").lower()
    if "char" in kind:
        return "nats_per_character"
    return "nats_per_token" if not kind or "nats" in kind else "loss"


def _params_quantity(table: RunTable) -> str:
    kind = (_only_word(table, "params_kind") + " " + table.names.get("params", "")).lower()
    if "active" in kind:
        return "params_active"
    if "non_embed" in kind or "nonembed" in kind or "no_embed" in kind:
        return "params_nonembedding"
    return "params_total"


def _region(fit: Fitted) -> dict[str, Range]:
    region: dict[str, Range] = {}
    for role in dict.fromkeys([*fit.spec.inputs.values(), "params", "tokens", "flops"]):
        if role in fit.table and len(fit.table):
            name = next((n for n, r in fit.spec.inputs.items() if r == role), _SYMBOLS.get(role, role))
            region[name] = (float(fit.table[role].min()), float(fit.table[role].max()))
    return region


def _relations(fit: Fitted, corpus: str, loss: str) -> dict[str, Relation]:
    if fit.spec.form == "chinchilla_loss" and fit.spec.residual == "log":
        return {name: _retyped(relation, fit, corpus, loss) for name, relation in LawBook().get(_TEMPLATE).relations.items()}
    inputs = {
        name: Variable(quantity=_params_quantity(fit.table) if role == "params" else _QUANTITY.get(role, "number"))
        for name, role in fit.spec.inputs.items()
    }
    kind = loss if fit.spec.target == "loss" else "score"
    output = Variable(quantity=kind, note=fit.spec.target, corpus=corpus)
    name = fit.spec.output or "L"
    return {
        "loss": Relation(
            form=fit.spec.form, title=fit.spec.title, inputs=inputs, outputs={name: output}, constants=dict(fit.spec.constants)
        )
    }


def _retyped(relation: Relation, fit: Fitted, corpus: str, loss: str) -> Relation:
    """A relation of the template with this fit's corpus, loss unit and parameter count in place of its own."""

    def typed(variable: Variable) -> Variable:
        update: dict[str, Any] = {"corpus": corpus} if variable.corpus else {}
        if variable.quantity == "nats_per_token":
            update["quantity"] = loss
        if variable.quantity == "params_total":
            update["quantity"] = _params_quantity(fit.table)
        return variable.model_copy(update=update)

    return relation.model_copy(
        update={
            "inputs": {k: typed(v) for k, v in relation.inputs.items()},
            "variants": None,
            "default_variant": None,
            "outputs": {k: typed(v) for k, v in relation.outputs.items()},
            "region": {},
        }
    )
