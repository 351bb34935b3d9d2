"""Finding what a person meant on a law card: relations, variants, inputs and outputs by symbol, kind or usual name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from knowledge.errors import InputError
from knowledge.quantities import PF_DAY_FLOPS, QUANTITIES
from knowledge.schema import LawCard, Relation, Variable

# Usual names of a quantity -> the kinds that measure it; a name never reaches a kind of another unit.
_SYNONYMS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("c", "c_flops", "compute_flops", "flops", "flop", "compute"): ("flops",),
    ("pf_days", "pfdays", "petaflop_days"): ("pf_days",),
    ("d", "d_tokens", "tokens", "n_tokens", "training_tokens", "token_budget"): ("tokens",),
    ("u", "unique_tokens", "d_unique"): ("unique_tokens",),
    ("n", "n_params", "params", "params_total", "parameters", "model_size"): (
        "params_total",
        "params",
        "params_nonembedding",
        "params_without_input_embedding",
        "params_total_nonembedding",
    ),
    ("n_active", "params_active", "active_params"): ("params_active", "params_active_nonembedding"),
    ("l", "loss", "l_opt", "final_loss", "predicted_loss"): ("nats_per_token", "nats_per_character", "bits_per_byte", "loss"),
    ("tpp", "tokens_per_param", "tokens_per_parameter", "d_over_n"): ("tokens_per_param",),
    ("batch_tokens", "b_tokens", "batch_size_tokens"): ("tokens_per_step",),
    ("batch", "b", "batch_size", "bs"): ("tokens_per_step", "sequences_per_step", "samples_per_step"),
    ("lr", "eta", "learning_rate"): ("learning_rate",),
    ("wd", "lambda", "weight_decay"): ("weight_decay",),
    ("vocab", "v", "vocab_size"): ("vocab_size",),
    ("error", "err", "error_rate"): ("error_rate",),
}
_RELATION_SYNONYMS: tuple[frozenset[str], ...] = (
    frozenset({"loss", "predict_loss", "l"}),
    frozenset({"optimum", "optimal", "opt", "allocate", "allocation", "compute_optimal"}),
)
# How the best or the predicted value of a symbol is written.
_ADORNED = ("{}_opt", "{}_star", "opt_{}", "best_{}", "{}_pred", "{}_predicted")
_CONVERSIONS = {("flops", "pf_days"): 1 / PF_DAY_FLOPS, ("pf_days", "flops"): PF_DAY_FLOPS}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _one(matches: Iterable[str]) -> str | None:
    found = list(dict.fromkeys(matches))
    return found[0] if len(found) == 1 else None


def find_relation(card: LawCard, name: str) -> str:
    """Key of the relation a name means: exact, then by case, usual synonym or unambiguous part. InputError when none."""
    if name in card.relations:
        return name
    asked, keys = _plain(name), list(card.relations)
    synonyms = next((group for group in _RELATION_SYNONYMS if asked in group), frozenset({asked}))
    found = _one(key for key in keys if _plain(key) in synonyms) or _one(key for key in keys if asked and asked in _plain(key))
    if found is None:
        raise InputError("relation", f"{card.id} has no relation {name!r}", f"it has {', '.join(keys) or 'none (a finding)'}")
    return found


def find_variant(card: LawCard, relation: str, name: str | None) -> str | None:
    """Key of the variant a name means: key, the source's label, or an unambiguous part of either, whatever the case."""
    if name is None:
        return None
    allowed = card.variants_of(relation)
    labels = {key: card.variants[key].label for key in allowed}
    asked = _plain(name)
    for matches in (
        [key for key in allowed if name in (key, labels[key])],
        [key for key in allowed if asked in (_plain(key), _plain(labels[key]))],
        [key for key in allowed if asked and (asked in _plain(key) or asked in _plain(labels[key]))],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise InputError("variant", f"{name!r} fits several variants of {card.id} {relation}", ", ".join(matches))
    raise InputError("variant", f"{card.id} {relation} has no variant {name!r}", f"it has {', '.join(allowed) or 'none'}")


def variant_in_words(card: LawCard, given: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Split words that describe a set of coefficients (dataset=C4, model=70M) from what was given: (the rest, the variant's key).

    Words that name an input of some relation stay. No variant where the words fit none or several.
    """
    inputs = {name for relation in card.relations.values() for name in relation.inputs}
    words = {name: value for name, value in given.items() if isinstance(value, str) and name not in inputs}
    if not words:
        return dict(given), None
    asked = [_plain(value) for value in words.values()]
    exact = [key for key, variant in card.variants.items() if len(asked) == 1 and asked[0] in (_plain(key), _plain(variant.label))]
    held = [key for key, variant in card.variants.items() if all(_says(f"{key} {variant.label}", word) for word in asked)]
    found = _one(exact) or _one(held)
    return ({name: value for name, value in given.items() if name not in words}, found) if found else (dict(given), None)


def _says(text: str, words: str) -> bool:
    """Whether a text holds words as whole words, in any order."""
    return set(words.split("_")) <= set(_plain(text).split("_"))


def _kinds(name: str) -> tuple[str, ...]:
    asked = name.lower()
    for names, kinds in _SYNONYMS.items():
        if asked in names:
            return kinds
    return (asked,) if asked in QUANTITIES else ()


def find_name(name: str, known: Mapping[str, Variable]) -> str | None:
    """The variable a name means, or None: by symbol, quantity kind, symbol whatever its case, or usual name of its kind."""
    if name in known:
        return name
    return (
        _one(key for key, var in known.items() if var.quantity == name)
        or _one(key for key in known if key.lower() == name.lower())
        or _one(key for key, var in known.items() if var.quantity in _kinds(name))
        or _one(key for key in known if name.lower() in {pattern.format(key.lower()) for pattern in _ADORNED})
        or _one(key for key, var in known.items() if _names_with_unit(name, key, var.unit))
    )


def _names_with_unit(name: str, key: str, unit: str) -> bool:
    """Whether a name is the symbol followed by its own unit: C_PFdays, C_GFLOP, N_million, D_tokens."""
    head, _, tail = name.rpartition("_")
    plain = re.sub(r"[^a-z0-9]", "", unit.lower())
    spoken = {"Mparams": "million", "Msamples": "million", "Gparams": "billion", "Gtokens": "billion"}.get(unit, plain)
    first = re.sub(r"[^a-z0-9]", "", unit.lower().split("/")[0])  # tokens of tokens/step
    meant = {plain.removesuffix("s"), first.removesuffix("s"), spoken}
    return bool(plain) and head.lower() == key.lower() and tail.lower().removesuffix("s") in meant


def _takes(relation: Relation) -> str:
    return "it takes " + ", ".join(f"{key} ({var.quantity})" for key, var in relation.inputs.items())


def find_inputs(card: LawCard, relation: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split what was given into the relation's inputs (by its names) and coefficients that are to be replaced.

    FLOP and PF-days are converted into one another; any other unit is refused. InputError for a name that is neither.
    """
    rel = card.relations[relation]
    coefficients = {name for variant in card.variants_of(relation) for name in card.variants[variant].values}
    inputs: dict[str, Any] = {}
    replaced: dict[str, Any] = {}
    for name, value in given.items():
        key, factor = find_name(name, rel.inputs), 1.0
        if key is None:
            key, factor = _converted(name, rel.inputs)
        if key is not None and key in inputs:
            raise InputError(name, f"gives {key} of {card.id} {relation} twice", _takes(rel))
        if key is not None:
            _refuse_words(name, value, rel.inputs[key])
            inputs[key] = value if factor == 1.0 else value * factor
        elif name in coefficients:
            replaced[name] = value
        else:
            raise InputError(name, f"{card.id} {relation} takes no input {name!r}", _takes(rel))
    return inputs, replaced


def _refuse_words(name: str, value: Any, var: Variable) -> None:
    if isinstance(value, str) and var.quantity != "choice":
        raise InputError(name, f"{value!r} is not a number", f"{var.quantity}, {var.unit or 'no unit'}")


def _converted(name: str, known: Mapping[str, Variable]) -> tuple[str | None, float]:
    for kind in _kinds(name):
        for key, var in known.items():
            if (kind, var.quantity) in _CONVERSIONS:
                return key, _CONVERSIONS[kind, var.quantity]
    return None, 1.0


def find_output(card: LawCard, relation: str, name: str) -> str:
    """Key of the output a name means; `value` is the first. InputError when none."""
    outputs = card.relations[relation].outputs
    if name == "value":
        return next(iter(outputs))
    found = find_name(name, outputs)
    if found is None:
        raise InputError(
            name,
            f"{card.id} {relation} gives no {name!r}",
            "it gives " + ", ".join(f"{key} ({var.quantity})" for key, var in outputs.items()),
        )
    return found
