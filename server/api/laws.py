"""`/v1/laws`: the law base, card by card."""

from __future__ import annotations

from fastapi import APIRouter

from knowledge.library import LawBook
from knowledge.schema import LawCard
from server.models import EvaluateIn, EvaluateOut, LawLine
from tools.law import evaluate

router = APIRouter(tags=["laws"])


@router.get("/laws")
def list_laws(area: str | None = None, kind: str | None = None) -> list[LawLine]:
    """Every law, filtered by area and kind."""
    return [
        LawLine.model_validate(card, from_attributes=True) for card in LawBook() if area in (None, card.area) and kind in (None, card.kind)
    ]


@router.get("/laws/{law_id}")
def show_law(law_id: str) -> LawCard:
    """One card, whole."""
    return LawBook().get(law_id)


@router.post("/laws/{law_id}/{relation}")
def evaluate_law(law_id: str, relation: str, given: EvaluateIn) -> EvaluateOut:
    """One relation evaluated at one point."""
    return EvaluateOut.model_validate(evaluate(LawBook().get(law_id), relation, given.inputs, given.variant), from_attributes=True)
