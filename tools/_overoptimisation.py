"""Best-of-n and RL against a learned reward: the divergence spent, and where the true reward peaks (Gao et al. 2022)."""

from __future__ import annotations

import numpy as np

from knowledge.library import LawBook
from tools._law_values import law_numbers, law_value, table
from tools.result import Notice, Result, Table

LAW = "gao2022_overopt"
_COUNTS = (2, 4, 16, 64, 256, 1000, 4000, 60000)


def overoptimisation(samples: float | None, laws: LawBook) -> Result:
    """Divergence of picking the best of n by a learned reward; the peak of the true reward in terms of the two constants to be fitted."""
    card = laws.get(LAW)
    values = {}
    if samples is not None:
        values["kl_nats"] = law_value(laws, LAW, "kl", {"n": samples}, "KL", label=f"divergence of best-of-{samples:g} from the policy")
        values["kl_distance"] = law_value(laws, LAW, "kl", {"n": samples}, "d", label="its square root, the distance d of the law")
    told = [Notice(level="caution", text=advice.say, source=LAW) for advice in card.advice]
    return Result(
        tool="rl",
        task="rl",
        headline=list(values),
        values=values,
        tables=[_table(laws)],
        warnings=[*told, *(Notice(level="caution", text=text, source=LAW) for text in card.caveats)],
        reasons=[
            "Best-of-n: true reward = d (alpha - beta d), greatest at d = alpha/(2 beta), with d the root of the divergence.",
            "RL: true reward = d (alpha - beta log d), greatest at d = exp(alpha/beta - 1).",
            "The paper prints alpha and beta in figures only; fit them from a few points of a trusted reward against d.",
        ],
    )


def _table(laws: LawBook) -> Table:
    found = law_numbers(laws, LAW, "kl", {"n": np.array(_COUNTS, float)})
    rows = [[n, float(kl), float(d)] for n, kl, d in zip(_COUNTS, found["KL"], found["d"], strict=True)]
    columns = {"samples": ("best of", "attempts"), "kl": ("divergence", "nats"), "d": ("distance d", "")}
    return table("divergence", "Divergence that best-of-n spends", columns, rows)
