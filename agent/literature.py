"""Questions about papers: those the base holds are explained, those it does not are told why, a law's range is answered for."""

from __future__ import annotations

import re

from agent.brief import Brief
from knowledge.papers import laws_named, outside_named

# Whether a law may be used somewhere, or where it was fitted.
_RANGE = re.compile(
    r"\b(?:is|are|does|do|can|would|will)\b[^?.]{0,80}\b(?:valid|holds?|appl(?:y|ies|icable)|reliable|trust(?:ed|worthy)?|extrapolates?)\b"
    r"|\b(?:up to|on|at|for|over) (?:what|which) (?:models?|sizes?|scales?|range|data|budgets?|params|parameters|tokens)\b"
    r"[^?.]{0,60}\b(?:fit(?:ted)?|valid|trained|measured|holds?)\b"
    r"|\b(?:fit(?:ted)?|valid(?:ity)?) (?:range|region|domain)\b"
)

_SAYS = re.compile(
    r"\bwhat (?:does|do|did)\b.{2,250}? (?:say|claim|find|show|state|report|conclude|recommend)\b"
    r"|^\W*(?:explain|describe|summari[sz]e|tell me about)\b"
)
_NO_QUANTITY = frozenset({"task", "also", "laws", "architecture", "models", "missing"})


def about_papers(brief: Brief, question: str) -> tuple[Brief, list[str]]:
    """The brief of a question that names papers or asks where a law holds, and what to say of papers that have no card."""
    low = question.lower()
    bare = set(brief.stated()) <= _NO_QUANTITY
    if brief.laws and brief.task != "explain" and (_RANGE.search(low) or (bare and _SAYS.search(low))):
        return brief.model_copy(update={"task": "explain", "missing": None}), []
    if brief.task not in ("explain", "out_of_scope") or brief.laws:
        return brief, []
    told = [f"“{paper.title}” is not in the base: {paper.reason}." for paper in outside_named(question)]
    if found := laws_named(question):
        brief = brief.model_copy(update={"task": "explain", "laws": list(found), "missing": None})
    return brief, told
