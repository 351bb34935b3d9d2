"""`synthetic_data`: where generated data stop helping, and what training on one's own outputs costs."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import arithmetic, law_numbers, law_value, table
from tools._named_law import uses_laws
from tools.registry import ToolRequest, tool
from tools.result import Assumption, Notice, Result, Table, Value
from tools.surface import DEFAULT_LAW

TAIL_LAW, GENERATION_LAW, IMAGE_LAW = "dohmatob2024_tails", "dohmatob2024_regression_collapse", "fan2023_synthetic_images"
_RATIOS = (0.1, 0.3, 1.0, 3.0, 10.0)
_GENERATIONS = (1, 2, 4, 8)
_REASONS = (
    "A generator cuts off the tail of what it has seen, which leaves an error that no amount of its samples removes.",
    "Collapse comes from replacing real data over generations; real data kept in the mix sets the pace again.",
)
_SAMPLES_PER_FEATURE = 10.0  # illustration of the regression case: growth with generations does not depend on it


class SyntheticDataRequest(ToolRequest):
    """Training tokens and, where known, the real data behind the generator; fields and units of the brief."""

    tokens: float | None = Field(default=None, gt=0)
    params_total: float | None = Field(default=None, gt=0)
    unique_tokens: float | None = Field(default=None, gt=0, description="real tokens, those the generator was trained on")
    generations: float | None = Field(default=None, ge=1, description="times a model is trained on the outputs of the one before")
    law: str | None = None


@tool(task="synthetic_data", title="How much synthetic data helps before collapse")
@uses_laws(TAIL_LAW, GENERATION_LAW, IMAGE_LAW)
def synthetic_data(request: SyntheticDataRequest, laws: LawBook) -> Result:
    """Useful amount of generated data and error growth over generations (Dohmatob et al. 2024), or the image
    threshold by law (Fan et al.).
    """
    if request.law == IMAGE_LAW:
        return _images(laws)
    c, zipf = _exponents(laws)
    source = f"beta of {DEFAULT_LAW}, taken for the law's data exponent (Zipf exponent {zipf:.3g})"
    assumptions = [Assumption(field="data_exponent", value=c, source=source)]
    values = _useful(request, assumptions)
    headline = [*values, "floor_share_at_equal_amount", "generation_growth"]
    values |= _limits(laws, zipf, request.generations or float(_GENERATIONS[2]))
    if request.generations is None:
        assumptions.append(Assumption(field="generations", value=_GENERATIONS[2], source="an example"))
    return Result(tool="synthetic_data", task="synthetic_data", headline=headline, values=values, assumptions=assumptions,
                  tables=[_amount_table(laws, zipf), _generation_table(laws)], warnings=[_theory()], reasons=list(_REASONS))  # fmt: skip


def _useful(request: SyntheticDataRequest, assumptions: list[Assumption]) -> dict[str, Value]:
    """Generated tokens beyond which nothing is gained: about the real tokens behind the generator. Empty where no amount is known."""
    T0 = request.unique_tokens or request.tokens
    if T0 is None:
        return {}
    if request.unique_tokens is None:
        source = "the generator is taken to have seen as many real tokens as this run is long"
        assumptions.append(Assumption(field="generator_tokens", value=T0, unit="tokens", source=source))
    label = "synthetic tokens beyond which nothing is gained, about"
    value = arithmetic(T0, label, "tokens", "tokens", "T ~ T0, where T^-c meets T0^-c", "Dohmatob et al. 2024, arXiv:2402.07043",
                       law=TAIL_LAW,
                       relation="generator", inputs={"T0": T0}, note="an order of magnitude: prefactors are not known")  # fmt: skip
    return {"useful_synthetic_tokens": value}


def _theory() -> Notice:
    text = (
        "Theory of memorising a long tail and of linear regression, not a fit of language models: shapes hold, prefactors do not. "
        "No published law gives a safe share in percent; keep all real data in the mix and test on a small run."
    )
    return Notice(level="caution", source=TAIL_LAW, text=text)


def _exponents(laws: LawBook) -> tuple[float, float]:
    """Data exponent c of the default law and the Zipf exponent 1/(1 - c) that implies it."""
    card = laws.get(DEFAULT_LAW)
    c = float(card.variants[card.default_variant or ""].values["beta"])  # pyright: ignore[reportArgumentType]
    return c, 1 / (1 - c)


def _limits(laws: LawBook, zipf: float, n: float) -> dict[str, Value]:
    """Share of the error that stays at equal amounts, and growth over generations."""
    unit = 1e9  # the share depends on T/T0 alone
    share = law_value(
        laws,
        TAIL_LAW,
        "generator",
        {"T": unit, "T0": unit, "beta": zipf},
        "floor_share",
        label="share of the error no further samples remove, when as many are generated as the generator saw",
    )
    first, later = (
        law_numbers(laws, GENERATION_LAW, "excess", {"n": k, "d": 1.0, "T0": _SAMPLES_PER_FEATURE, "sigma0": 1.0})["excess"]
        for k in (1.0, n)
    )
    growth = arithmetic(
        float(later / first),
        f"error added after {n:g} generations, over that of one",
        "",
        "ratio",
        "excess(n)/excess(1) = n",
        law=GENERATION_LAW,
        relation="excess",
        inputs={"n": n},
        source="Dohmatob et al. 2024, arXiv:2402.07712",
    )
    return {"floor_share_at_equal_amount": share, "generation_growth": growth}


def _amount_table(laws: LawBook, zipf: float) -> Table:
    ratio = np.array(_RATIOS)
    found = law_numbers(laws, TAIL_LAW, "generator", {"T": 1e9 * ratio, "T0": 1e9, "beta": zipf})
    real = law_numbers(laws, TAIL_LAW, "error_ratio", {"T_before": 1e9, "T_after": 1e9 * ratio, "beta": zipf})["ratio"]
    least = float(found["E"][2])
    rows = [
        [float(r), float(e / least), float(x), float(s)] for r, e, x, s in zip(ratio, found["E"], real, found["floor_share"], strict=True)
    ]
    return table(
        "by_amount",
        "Error by generated tokens, against the real tokens behind the generator",
        {
            "ratio": ("generated over real", ""),
            "error": ("error, 1 at equal amounts", ""),
            "real": ("the same with real data, 1 at equal amounts", ""),
            "floor_share": ("share that stays", ""),
        },
        rows,
    )


def _generation_table(laws: LawBook) -> Table:
    n = np.array(_GENERATIONS, float)
    excess = law_numbers(laws, GENERATION_LAW, "excess", {"n": n, "d": 1.0, "T0": _SAMPLES_PER_FEATURE, "sigma0": 1.0})["excess"]
    return table(
        "by_generation",
        "Error added by training on one's own outputs (regression, over one generation)",
        {"generations": ("generations", ""), "growth": ("added error", "")},
        [[float(k), float(e / excess[0])] for k, e in zip(n, excess, strict=True)],
    )


def _images(laws: LawBook) -> Result:
    threshold = law_value(
        laws, IMAGE_LAW, "helps_below", {}, "threshold", label="real labelled images below which synthetic ones help an ImageNet classifier"
    )
    return Result(
        tool="synthetic_data",
        task="synthetic_data",
        headline=["verdict", "real_images_threshold"],
        values={
            "verdict": arithmetic("no", "can synthetic images replace real ones for a supervised classifier", law=IMAGE_LAW),
            "real_images_threshold": threshold,
        },
        warnings=[
            Notice(
                level="caution", source=IMAGE_LAW, text="Measured with generators of the Stable Diffusion era; later ones may do better."
            )
        ],
        reasons=[
            "Some concepts cannot be generated, so supervised classifiers scale clearly worse on "
            "synthetic images; for CLIP they scale nearly like real ones."
        ],
    )
