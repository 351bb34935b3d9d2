"""Questions about papers: those the base holds are explained, those it does not are told why, a law's range is answered for."""

from __future__ import annotations

import re

from agent.brief import Brief
from knowledge.papers import laws_for, laws_named, outside_named

# Whether a law may be used somewhere, or where it was fitted.
_RANGE = re.compile(
    r"\b(?:is|are|does|do|can|would|will|should)\b[^?.]{0,80}\b(?:valid|holds?|appl(?:y|ies|icable)|reliable|trust(?:ed|worthy)?|extrapolates?)\b"
    r"|\b(?:up to|on|at|for|over) (?:what|which) (?:models?|sizes?|scales?|range|data|budgets?|params|parameters|tokens)\b"
    r"[^?.]{0,60}\b(?:fit(?:ted)?|valid|trained|measured|holds?)\b"
    r"|\b(?:fit(?:ted)?|valid(?:ity)?) (?:range|region|domain)\b"
)

_SAYS = re.compile(
    r"\bwhat (?:does|do|did)\b.{2,250}? (?:say|claim|find|show|state|report|conclude|recommend)\b"
    r"|^\W*(?:explain|describe|summari[sz]e|tell me about)\b"
)
_WHO = re.compile(
    r"\bwho\b.{0,20}\b(?:found|finds|showed|shows?|proved|proposed|discovered|introduced|measured|fitted|published|wrote|derived|came up)\b"
    r"|\bwhich (?:paper|papers|law|laws|study|studies|scaling law|formula|authors?)\b"
)
_FORMULA = re.compile(
    r"\b(?:formula|equation|coefficients?|constants|functional form|exponents?|uncertain(?:ty)?|confidence interval|standard errors?)\b"
)
_SHOWN, _ALSO = 2, 5  # laws a search explains, and those it names
# Fields that make a question one about a run of the asker's, whatever paper it names.
_RUN = frozenset(
    {"compute_flops", "budget_usd", "accelerator_hours", "n_accelerators", "duration_seconds", "params_total", "params_active", "tokens"}
    | {"unique_tokens", "tokens_per_param", "target_loss", "observed_loss", "pass_rate", "samples", "memory_bytes"}
)


def about_papers(brief: Brief, question: str) -> tuple[Brief, list[str]]:
    """The brief of a question that names papers or asks where a law holds, and what to say of papers that have no card."""
    low = question.lower()
    bare = not _RUN & set(brief.stated())
    if not brief.laws and brief.task != "out_of_scope" and bare and _WHO.search(low) and not laws_named(question):
        return _searched(brief, question)
    if brief.laws and brief.task != "explain" and (_RANGE.search(low) or (bare and _of_the_paper(brief, low))):
        return brief.model_copy(update={"task": "explain", "missing": None}), []
    if brief.task not in ("explain", "out_of_scope") or brief.laws:
        return brief, []
    told = [f"“{paper.title}” is not in the base: {paper.reason}." for paper in outside_named(question)]
    if found := laws_named(question, surnames=bool(_SAYS.search(low))):
        brief = brief.model_copy(update={"task": "explain", "laws": list(found), "missing": None})
    return brief, told


def _of_the_paper(brief: Brief, low: str) -> bool:
    """Whether a question that states no run asks what a named paper holds."""
    return brief.task == "compare_laws" or any(pattern.search(low) for pattern in (_SAYS, _WHO, _FORMULA))


def _searched(brief: Brief, question: str) -> tuple[Brief, list[str]]:
    """The brief of a question for who found something, or which law serves: the laws whose cards share its words best."""
    from knowledge.search import search  # reads every card

    hits = [hit.law for hit in search(question, 4 * _ALSO) if hit.law]
    found = sorted(hits, key=lambda law: law not in laws_for(brief.task))[:_ALSO]  # those of the task before the rest, each by rank
    if not found:
        return brief, []
    told = f"Found by the words of the question. Next after the laws explained: {', '.join(found[_SHOWN:])}."
    return brief.model_copy(update={"task": "explain", "laws": found[:_SHOWN], "missing": None}), [told] if found[_SHOWN:] else []
