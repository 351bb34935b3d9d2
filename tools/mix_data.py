"""`mix_data`: shares of a training mix, the safe share of domain data in continued pretraining, and the small runs it takes."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from knowledge.library import LawBook
from tools._law_values import law_value, table
from tools._named_law import uses_laws
from tools.convert import in_words
from tools.law import compute, evaluate, region_flags
from tools.registry import ToolRequest, tool
from tools.result import Alternative, Assumption, Notice, Result, Table, Value

LAW = "ye2024_mixing"
CONTINUED_LAW = "gu2024_cmr"
_DOMAINS = ("academic", "prose", "dialogue", "symbolic", "internet")
_SIZES = {"finance_460m": 4.6e8, "finance_940m": 9.4e8, "finance_1600m": 1.6e9, "finance_3100m": 3.1e9}
_SAME_SIZE = 0.15  # a stated size within this of a fitted one counts as that one: the law has no formula in size
_TOKEN_GRID = (2e9, 5e9, 1e10, 2e10)


class MixDataRequest(ToolRequest):
    """A size and tokens; `domains` counts the domains of the mix, where known. Fields and units of the brief."""

    params_total: float | None = Field(default=None, gt=0)
    tokens: float | None = Field(default=None, gt=0)
    domains: float | None = Field(default=None, ge=2)
    domain_share: float | None = Field(default=None, gt=0, lt=1)
    law: str | None = None


@tool(task="mix_data", title="Shares of a training mix")
@uses_laws(LAW, CONTINUED_LAW)
def mix_data(request: MixDataRequest, laws: LawBook) -> Result:
    """Best shares of a five-domain mix (Ye et al. 2024), or the largest domain share in continued pretraining (Gu et al. 2024, by name).

    A mixing law is fitted on small runs of the mix at hand; the published coefficients show the shape, not the shares of other data.
    """
    if request.law == CONTINUED_LAW:
        return _continued(request, laws)
    n = request.domains or float(len(_DOMAINS))
    runs = evaluate(laws.get(LAW), "small_runs", {"domains": n}).values
    best = evaluate(laws.get(LAW), "best_mixture", {"s": [1 / len(_DOMAINS)] * len(_DOMAINS)}).values
    values = {"small_runs": runs["runs"], "least_runs": runs["least_runs"], "coefficients_per_domain": runs["coefficients_per_domain"]}
    shares = np.asarray(best["r"].value, float)
    for domain, share in zip(_DOMAINS, shares, strict=True):
        values[f"share_{domain}"] = best["r"].model_copy(
            update={"value": float(share), "label": f"share of {domain} text for equally weighted domains", "note": "70M model on the Pile"}
        )
    gain = best["total_even"].number - best["total"].number
    values["loss_gain"] = best["total"].model_copy(
        update={
            "value": gain,
            "quantity": "loss_difference",
            "label": "mean loss below the even mix",
            "formula": "total(even) - total(best)",
        }
    )
    assumptions = [] if request.domains else [Assumption(field="domains", value=len(_DOMAINS), source="the five domains of the fitted law")]
    assumptions.append(
        Assumption(
            field="domain_weights",
            value=[*[1 / len(_DOMAINS)] * len(_DOMAINS)],
            source="every domain counts the same in the loss to minimise",
        )
    )
    headline = (
        ["small_runs", *(f"share_{domain}" for domain in _DOMAINS)]
        if request.params_total or request.tokens
        else ["small_runs", "least_runs", "coefficients_per_domain"]
    )
    return Result(
        tool="mix_data",
        task="mix_data",
        headline=headline,
        values=values,
        tables=[_mix_table(laws, shares)],
        assumptions=assumptions,
        alternatives=_continued_alternatives(request, laws),
        warnings=_mix_warnings(request),
        reasons=[
            "Domain losses are exponential in the shares, so a few small runs on random mixes "
            "fix the law; its best mix is then found by minimisation."
        ],
    )


def _mix_table(laws: LawBook, shares: np.ndarray) -> Table:
    card = laws.get(LAW)
    rows: list[list[float | str]] = []
    for i, domain in enumerate(_DOMAINS):
        losses = [
            evaluate(card, "loss_five", dict(zip(_DOMAINS, map(float, mix), strict=True)), f"five_{domain}").values["L"].number
            for mix in (np.full(5, 0.2), shares)
        ]
        rows.append([domain, 0.2, float(shares[i]), *losses])
    return table(
        "mix",
        "Even and best mix of five Pile domains (70M model)",
        {
            "domain": ("domain", ""),
            "even": ("even share", ""),
            "best": ("best share", ""),
            "loss_even": ("loss, even", "nats/token"),
            "loss_best": ("loss, best", "nats/token"),
        },
        [list(r) for r in rows],
    )


def _mix_warnings(request: MixDataRequest) -> list[Notice]:
    notices = [
        Notice(
            level="caution",
            source=LAW,
            text="The shares are those of a 70M model on five Pile domains with equal weights. No "
            "published law gives shares for other domains or sizes: "
            "fit the mixing law on small runs of your own mix.",
        )
    ]
    if request.params_total is not None and request.params_total > 1e9:
        notices.append(
            Notice(
                level="info",
                source=LAW,
                text="For a large model the published recipe carries the small runs up with power laws in steps "
                "and size before mixing; those coefficients depend on the data.",
            )
        )
    return notices


def _nearest(N: float | None) -> str | None:
    """Fitted size within the tolerance of a stated one, if any."""
    if N is None:
        return None
    variant = min(_SIZES, key=lambda key: abs(np.log(_SIZES[key] / N)))
    return variant if abs(_SIZES[variant] / N - 1) <= _SAME_SIZE else None


def _share(laws: LawBook, T: float, variant: str) -> Value:
    value = law_value(
        laws,
        CONTINUED_LAW,
        "critical_ratio",
        {"T": T},
        variant=variant,
        label="largest domain share that keeps the general loss within 0.05 nats",
    )
    if value.number <= 0:
        return value.model_copy(update={"value": 0.0, "note": f"the law gives {value.number:.3g}: no share is safe at so few tokens"})
    return value


def _continued(request: MixDataRequest, laws: LawBook) -> Result:
    """Continued pretraining: the critical mixture ratio at the fitted size, or at all four when the size is another."""
    assumptions: list[Assumption] = []
    T = request.tokens or _TOKEN_GRID[-1]
    if request.tokens is None:
        assumptions.append(Assumption(field="tokens", value=T, unit="tokens", source="the largest run of Gu et al. 2024"))
    variant = _nearest(request.params_total)
    if variant is not None:
        values, headline = {"domain_share": _share(laws, T, variant)}, ["domain_share"]
        if request.domain_share is not None:
            values["tokens_for_share"] = law_value(
                laws,
                CONTINUED_LAW,
                "tokens_for_ratio",
                {"R": request.domain_share},
                variant=variant,
                label="tokens from which the stated share is safe",
            )
            headline.append("tokens_for_share")
    else:
        values = {f"domain_share_{key.removeprefix('finance_')}": _share(laws, T, key) for key in _SIZES}
        headline = list(values)
    return Result(
        tool="mix_data",
        task="mix_data",
        headline=headline,
        values=values,
        tables=[_ratio_table(laws)],
        assumptions=assumptions,
        warnings=_ratio_warnings(laws, T, variant, request),
        reasons=["The safe share grows with the tokens of continued pretraining; each fitted size has its own curve."],
    )


def _ratio_table(laws: LawBook) -> Table:
    card = laws.get(CONTINUED_LAW)
    shares = [compute(card, "critical_ratio", {"T": np.array(_TOKEN_GRID)}, variant)["R"] for variant in _SIZES]
    rows = [[T, *(float(max(s[i], 0.0)) for s in shares)] for i, T in enumerate(_TOKEN_GRID)]
    columns = {
        "tokens": ("tokens of continued pretraining", "tokens"),
        **{key: (f"share, {in_words(size, 'params')} parameters", "") for key, size in _SIZES.items()},
    }
    return table("critical_share", "Largest safe share of finance data", columns, rows)


def _ratio_warnings(laws: LawBook, T: float, variant: str | None, request: MixDataRequest) -> list[Notice]:
    notices = [
        Notice(
            level="caution",
            source=CONTINUED_LAW,
            text="Fitted on finance data with a tolerance of 0.05 nats; other domains and tolerances move the share.",
        )
    ]
    if variant is None and request.params_total is not None:
        notices.insert(
            0,
            Notice(
                level="caution",
                source=CONTINUED_LAW,
                text=f"No fitted size is near {in_words(request.params_total, 'params')}; the coefficients "
                "change sign between sizes, so nothing is interpolated.",
            ),
        )
    outside = region_flags(laws.get(CONTINUED_LAW), "critical_ratio", "finance_460m", {"T": T})
    return notices + [Notice(level="warning", source=CONTINUED_LAW, text=f"Extrapolated: {flag}.") for flag in outside]


def _continued_alternatives(request: MixDataRequest, laws: LawBook) -> list[Alternative]:
    variant = _nearest(request.params_total)
    if variant is None or request.tokens is None:
        return []
    return [
        Alternative(
            name=CONTINUED_LAW,
            values={"domain_share": _share(laws, request.tokens, variant)},
            note="if this is continued pretraining on one domain (fitted for finance)",
        )
    ]
