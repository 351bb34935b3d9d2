"""`finetune`: method, examples and size; what pretraining is worth; loss after tuning; and which base model to pick from small trials."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools._law_values import arithmetic, coefficient, law_numbers, law_value, table
from tools.convert import in_words
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Table, Value

METHOD, TRANSFER, RECTIFIED = "zhang2024_finetuning", "hernandez2021_transfer", "lin2024_rectified"
NEEDS = (("params_total",), ("model",), ("examples",), ("tokens",))
_TASKS = {"en_de": "translation En-De", "en_zh": "translation En-Zh", "mlsum": "summarisation"}
_METHODS = {"full": "full finetuning", "lora": "LoRA", "prompt": "prompt tuning"}
_EXAMPLES = (1e3, 1e4, 1e5, 1e6)
_CHARACTERS = (1e5, 3e5, 1e6, 1e7, 1e8)
_EXAMPLE_CHARACTERS = 1e6  # where none are stated
# What the transfer law tells: key of the answer, output of the relation, label.
_TRANSFERRED = (
    ("transferred_characters", "D_T", "data transferred from pretraining"),
    ("effective_characters", "D_E", "effective data, own and transferred"),
    ("multiplier", "multiplier", "times the finetuning data"),
)
_ZHANG = "Zhang et al. 2024, arXiv:2402.17193"
# Between a translation pair (tens of tokens) and an instruction with a long answer (hundreds); only used to turn tokens into examples.
_TOKENS_PER_EXAMPLE = 200.0
_TRIALS = 7  # halvings of the data down to under a hundredth, as in the selection procedure
_GRID = np.geomspace(1e2, 1e9, 1401)


class FinetuneRequest(ToolRequest):
    """What is known of the tuning; fields and units of the brief, with examples or characters where the question counts in those."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0, description="tokens of finetuning data")
    examples: float | None = Field(default=None, gt=0, description="finetuning examples")
    characters: float | None = Field(default=None, gt=0, description="characters of finetuning text, for the transfer law")
    tokens_per_example: float | None = Field(default=None, gt=0)
    model: str | None = None
    target_loss: float | None = Field(default=None, gt=0)
    dataset: str | None = Field(default=None, description="finetuning set of the rectified law: flan, wmt19 or gigaword")
    law: str | None = None


@tool(task="finetune", title="How to finetune, on how much and which model", needs=NEEDS)
def finetune(request: FinetuneRequest, laws: LawBook) -> Result:
    """Method and examples (Zhang et al. 2024), effective data (Hernandez et al. 2021), loss after tuning (Lin et al. 2024).

    Which of them leads follows from what is stated or from the law named. Raises InputError for a model the rectified law has no fit of.
    """
    if (request.law is not None and "effective_data" in laws.get(request.law).relations) or request.characters is not None:
        return _transfer(request, laws)
    fits = rectified_fits(laws, request.model)
    if request.dataset is not None:
        fits = [key for key in fits if key.rsplit("_", 1)[1] == request.dataset.lower()] or fits
    if request.law == RECTIFIED or (fits and request.model is not None and request.tokens is None):
        return _rectified(request, laws, fits)
    return _method(request, laws)


def accept_then_stop(examples: list[float], losses: list[float], target: float, k: int = 3, delta: float = 5.0) -> float:
    """Loss expected at `target` examples by the accept-then-stop rule (Lin et al. 2024): start from the k largest trials, regress
    log loss on log examples, add the next smaller trial while its residual is within delta residual deviations, extrapolate.

    Raises InputError for fewer than k trials or values that have no logarithm.
    """
    D, L = np.array(examples, float), np.array(losses, float)
    if D.size != L.size or D.size < k or not (np.isfinite(D).all() and np.isfinite(L).all() and (D > 0).all() and (L > 0).all()):
        raise InputError("examples", f"needs at least {k} trials with positive examples and losses", "one loss per number of examples")
    order = np.argsort(-D)
    x, y = np.log(D[order]), np.log(L[order])
    used = k
    while True:
        slope, intercept = np.polyfit(x[:used], y[:used], 1)
        spread = float(np.std(y[:used] - (slope * x[:used] + intercept)))
        if used == D.size or abs(y[used] - (slope * x[used] + intercept)) > delta * max(spread, 1e-12):
            return float(np.exp(slope * np.log(target) + intercept))
        used += 1


def rectified_fits(laws: LawBook, name: str | None) -> list[str]:
    """Variants of the rectified law for a model, by its name in any usual spelling; all of them for None."""
    card = laws.get(RECTIFIED)
    keys = card.variants_of("loss")
    if name is None:
        return keys
    plain = "".join(ch for ch in name.lower() if ch.isalnum())
    return [key for key in keys if "".join(ch for ch in key.rsplit("_", 1)[0] if ch.isalnum()) == plain]


def _examples(request: FinetuneRequest) -> tuple[float | None, list[Assumption]]:
    if request.examples is not None:
        return request.examples, []
    if request.tokens is None:
        return None, []
    per = request.tokens_per_example or _TOKENS_PER_EXAMPLE
    assumed = (
        []
        if request.tokens_per_example
        else [
            Assumption(
                field="tokens_per_example",
                value=per,
                unit="tokens",
                source="between a translation pair (tens) and a long instruction (hundreds); the laws count examples, so state yours",
            )
        ]
    )
    return request.tokens / per, assumed


def critical_size(laws: LawBook, task: str, params: float, first: str = "full", second: str = "lora") -> float | None:
    """Examples at which the first method's loss falls below the second's for a size, or None where that does not happen in 1e2..1e9."""
    ahead = (_losses(laws, f"{task}_{first}", params, _GRID) - _losses(laws, f"{task}_{second}", params, _GRID)) < 0
    crossings = np.flatnonzero(ahead[1:] & ~ahead[:-1])
    return float(np.sqrt(_GRID[crossings[0]] * _GRID[crossings[0] + 1])) if crossings.size else None


def _losses(laws: LawBook, variant: str, params: float, examples: Any) -> Any:
    return law_numbers(laws, METHOD, "loss", {"X": params, "D_f": examples}, variant)["L"]


def _method(request: FinetuneRequest, laws: LawBook) -> Result:
    """LoRA or full tuning at this size and number of examples, and where the answer turns."""
    examples, assumptions = _examples(request)
    N = request.params_total
    if N is None:
        N = 7e9
        assumptions.append(Assumption(field="params_total", value=N, unit="params", source="usual open base model; state the size"))
    values = _crossing(laws, N)
    headline = list(values)
    if examples is not None:
        values |= _at_examples(laws, N, examples, "tokens/tokens per example" if request.examples is None else "as stated")
        headline = ["method", "lora_gain_en_de", *headline]
    tables = [_method_table(laws, N, examples), _trials_table(laws, examples)]
    values |= _selection_values(laws)
    if not headline:
        values["method"], headline = _uncrossed(laws, N), ["method"]
    return Result(
        tool="finetune",
        task="finetune",
        headline=headline,
        values=values,
        tables=tables,
        assumptions=assumptions,
        warnings=_method_warnings(N, examples),
        reasons=[
            "Few examples favour methods that move few weights; many examples favour moving all of them.",
            "Size and zero-shot loss are poor guides to the best base model; short trials on subsets, extrapolated, are good ones.",
        ],
    )


def _crossing(laws: LawBook, N: float) -> dict[str, Value]:
    """Examples at which full finetuning overtakes LoRA: the middle over the paper's tasks that have such a point, nothing where none has."""
    found = sorted(c for task in _TASKS if (c := critical_size(laws, task, N)) is not None)
    if not found:
        return {}
    return {
        "critical_examples": arithmetic(
            float(np.exp(np.mean(np.log(found)))),
            "examples above which full finetuning beats LoRA",
            "examples",
            "finetuning_examples",
            "D_f with L_full(N, D_f) = L_lora(N, D_f)",
            _ZHANG,
            law=METHOD,
            relation="loss",
            low=found[0],
            high=found[-1],
            interval_basis="range over the paper's tasks",
            inputs={"X": N},
        )
    }


def _at_examples(laws: LawBook, N: float, examples: float, counted: str) -> dict[str, Value]:
    """The better method at a number of examples, and what LoRA gains or loses on each task; `counted` says where the number comes from."""
    return {
        "method": arithmetic(
            _most([_better(laws, task, N, examples) for task in _TASKS]),
            "better at this size and data on most of the paper's tasks:",
            source=_ZHANG,
            inputs={"X": N, "D_f": examples},
        ),
        "examples": arithmetic(examples, "examples", "examples", "finetuning_examples", counted),
        **{f"lora_gain_{task}": _gain(laws, task, N, examples) for task in _TASKS},
    }


def _most(votes: list[str]) -> str:
    """The commonest vote; the first by name of equals."""
    return max(sorted(set(votes)), key=votes.count)


def _uncrossed(laws: LawBook, N: float) -> Value:
    """The better method where the two never swap places over the examples of the table, by most of the paper's tasks."""
    return arithmetic(
        _most([_better(laws, task, N, D) for task in _TASKS for D in _EXAMPLES]),
        f"better at this size on most of the paper's tasks, from {_EXAMPLES[0]:,.0f} to {_EXAMPLES[-1]:,.0f} examples:",
        source=_ZHANG,
        law=METHOD,
        relation="loss",
        inputs={"X": N},
    )


def _better(laws: LawBook, task: str, N: float, examples: float) -> str:
    losses = {name: float(_losses(laws, f"{task}_{key}", N, examples)) for key, name in _METHODS.items() if key != "prompt"}
    return min(losses, key=lambda name: losses[name])


def _gain(laws: LawBook, task: str, N: float, examples: float) -> Value:
    gap = float(_losses(laws, f"{task}_full", N, examples)) - float(_losses(laws, f"{task}_lora", N, examples))
    note = "the LoRA row of this task does not reproduce the paper's own exponents" if task == "mlsum" else ""
    return arithmetic(
        gap,
        f"loss of full finetuning minus loss of LoRA, {_TASKS[task]}",
        "nats/token",
        "loss_difference",
        "L_full(N, D_f) - L_lora(N, D_f)",
        _ZHANG,
        law=METHOD,
        relation="loss",
        inputs={"X": N, "D_f": examples},
        note=note,
    )


def _method_table(laws: LawBook, N: float, examples: float | None) -> Table:
    rows: list[list[Any]] = []
    for task, label in _TASKS.items():
        for D in (examples,) if examples is not None else _EXAMPLES:
            rows.append([label, D, *(float(_losses(laws, f"{task}_{key}", N, D)) for key in _METHODS), critical_size(laws, task, N)])
    columns = {
        "task": ("task", ""),
        "examples": ("examples", "examples"),
        **{key: (f"loss, {name}", "nats/token") for key, name in _METHODS.items()},
        "critical": ("full beats LoRA above", "examples"),
    }
    return table(
        "methods",
        f"Loss by method at {in_words(N, 'params')} params",
        columns,
        rows,
        "compare within a row, not across tasks; two-digit coefficients, several per cent",
    )


def _trials_table(laws: LawBook, examples: float | None) -> Table:
    settings = laws.get(RECTIFIED).variants["accept_then_stop"].values
    top = examples or 1e5
    rows = [[j, top / 2**j] for j in range(1, _TRIALS + 1)]
    return table(
        "trials",
        "Trials to pick a base model",
        {"halvings": ("halvings", ""), "examples": ("examples", "examples")},
        [list(row) for row in rows],
        f"tune every candidate on each subset; regress log loss on log examples from the last {settings['k']:g} points, add smaller ones"
        f" while the residual stays within {settings['delta']:g} deviations, extrapolate and rank",
    )


def _selection_values(laws: LawBook) -> dict[str, Value]:
    return {
        "selection_correlation": law_value(
            laws,
            RECTIFIED,
            "selection_correlation",
            {},
            label="correlation of predicted and real loss over 30 models with an eighth of the data (FLAN)",
        )
    }


def _method_warnings(N: float, examples: float | None) -> list[Notice]:
    found = [
        Notice(
            level="caution",
            text=(
                "Critical sizes from two-digit coefficients are good to an order of magnitude; run both methods on a tenth of the data"
                " when you are near."
            ),
            source=_ZHANG,
        )
    ]
    if not 1e9 <= N <= 1.6e10:
        found.append(
            Notice(
                level="caution",
                text="The method law was fitted on 1B to 8B models (16B held out).",
                source=_ZHANG,
            )
        )
    if examples is not None and not 8e3 <= examples <= 2e7:
        found.append(
            Notice(
                level="caution",
                text="The number of examples lies outside the fitted range (8,000 to 90,000 for LoRA, from 100,000 for full finetuning).",
                source=_ZHANG,
            )
        )
    return found


def _transfer(request: FinetuneRequest, laws: LawBook) -> Result:
    """What pretraining is worth in target data."""
    law = request.law if request.law and "effective_data" in laws.get(request.law).relations else TRANSFER
    assumptions: list[Assumption] = []
    N = request.params_total
    if N is None:
        raise InputError("params_total", "the transfer law needs the model's size", "give params_total (non-embedding)")
    if request.characters is not None:
        given = {"D_F": request.characters, "N": N}
        values = {key: law_value(laws, law, "effective_data", given, output, label=label) for key, output, label in _TRANSFERRED}
    else:
        given = {"D_F": _EXAMPLE_CHARACTERS, "N": N}
        values = {
            "transferred_characters": law_value(laws, law, "effective_data", given, "D_T", label="data transferred to a million characters")
        }
        assumptions.append(
            Assumption(
                field="characters", value=_EXAMPLE_CHARACTERS, unit="characters", source="example; state the characters of finetuning text"
            )
        )
    headline = list(values)
    values["size_worth"] = law_value(
        laws, law, "ratio", {"N_ratio": 10.0}, "data_worth", label="times the finetuning data that a ten times larger model is worth"
    )
    return Result(
        tool="finetune",
        task="finetune",
        headline=headline,
        values=values,
        tables=[_transfer_table(laws, law, N, request.characters or _EXAMPLE_CHARACTERS)],
        assumptions=assumptions,
        warnings=[
            Notice(
                level="caution",
                text=(
                    "Counts characters of Python, for models pretrained on text; holds while finetuning data is below a tenth of what"
                    " training from scratch would need."
                ),
                source="Hernandez et al. 2021, arXiv:2102.01293",
            )
        ],
        reasons=[
            "Pretraining acts like extra data on the target distribution; its worth grows with model size and, more slowly, with the"
            " finetuning data."
        ],
    )


def _transfer_table(laws: LawBook, law: str, N: float, characters: float) -> Table:
    rows = [
        [D, *(float(law_numbers(laws, law, "effective_data", {"D_F": D, "N": N})[output]) for _, output, _ in _TRANSFERRED)]
        for D in sorted({*_CHARACTERS, characters})
    ]
    columns = {
        "characters": ("finetuning text", "characters"),
        "transferred": ("worth of pretraining", "characters"),
        "effective": ("effective data", "characters"),
        "multiplier": ("multiplier", ""),
    }
    return table("transfer", "What pretraining is worth", columns, rows)


def _rectified(request: FinetuneRequest, laws: LawBook, fits: list[str]) -> Result:
    """Loss after tuning of a model that was measured, on each of the paper's sets."""
    card = laws.get(RECTIFIED)
    if not fits:
        raise InputError(
            "model",
            f"the rectified law has no published fit of {request.model!r}",
            "it has " + ", ".join(sorted({card.variants[k].label for k in card.variants_of("loss")})),
        )
    examples, assumptions = _examples(request)
    if examples is None:
        examples = 1e5
        assumptions.append(
            Assumption(field="examples", value=examples, unit="examples", source="example; state how many finetuning examples there are")
        )
    values: dict[str, Value] = {}
    for key in fits:
        values[f"loss_{key}"] = law_value(
            laws, RECTIFIED, "loss", {"D": examples}, variant=key, label=f"test loss, {card.variants[key].label}"
        )
        if request.target_loss is not None:
            values[f"examples_{key}"] = _examples_to(laws, key, request.target_loss)
    headline = [key for key in values if key.startswith("examples_" if request.target_loss else "loss_")][:3]
    if len(fits) == 1:  # the one set asked about, under a name that does not depend on it
        values["loss"] = values[f"loss_{fits[0]}"]
    return Result(
        tool="finetune",
        task="finetune",
        headline=headline,
        values=values | _selection_values(laws),
        tables=[_losses_table(laws, fits, examples), _trials_table(laws, examples)],
        assumptions=assumptions,
        warnings=[
            Notice(
                level="caution",
                text="Losses of different data sets do not compare; the floor of a fit is uncertain, so extrapolate at most tenfold.",
                source="Lin et al. 2024, arXiv:2402.02314",
            )
        ],
        reasons=["Tuning starts slowly while the data is small against what pretraining already taught, then follows a power law."],
    )


def _examples_to(laws: LawBook, key: str, loss: float) -> Value:
    """Examples with which a fit reaches a loss, or that it never does."""
    card = laws.get(RECTIFIED)
    label = card.variants[key].label
    if loss <= coefficient(card, key, "E"):
        return arithmetic("out of reach", f"target below the floor, {label}")
    return law_value(laws, RECTIFIED, "examples_for_loss", {"L": loss}, variant=key, label=f"examples to the target loss, {label}")


def _losses_table(laws: LawBook, fits: list[str], examples: float) -> Table:
    card, D = laws.get(RECTIFIED), sorted({*_EXAMPLES, examples})
    rows = [
        [card.variants[key].label, *(float(x) for x in law_numbers(laws, RECTIFIED, "loss", {"D": np.array(D)}, key)["loss"])]
        for key in fits
    ]
    columns = {"fit": ("model and set", ""), **{f"at_{d:.0f}": (f"{d:,.0f} examples", "") for d in D}}
    return table("losses", "Test loss after finetuning", columns, rows, "losses of different sets do not compare")
