"""`/v1/laws`: the law base, card by card."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.law import evaluate
from tools.result import Value

router = APIRouter(tags=["laws"])


class LawLine(BaseModel):
    """A law in a listing."""

    id: str
    title: str
    area: str
    kind: str
    year: int
    summary: str


class EvaluateIn(BaseModel):
    """Inputs of a relation by its own names."""

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, float | list[float]]
    variant: str | None = None


class EvaluateOut(BaseModel):
    """Outputs of a relation, each with unit, interval and region flags."""

    law: str
    relation: str
    variant: str
    formula: str
    inputs: dict[str, Any]
    coefficients: dict[str, Any]
    values: dict[str, Value]
    outside: list[str]


@router.get("/laws")
def list_laws(area: str | None = None, kind: str | None = None) -> list[LawLine]:
    """Every law, filtered by area and kind."""
    return [LawLine.model_validate(card, from_attributes=True) for card in LawBook() if area in (None, card.area) and kind in (None, card.kind)]


@router.get("/laws/{law_id}")
def show_law(law_id: str) -> LawCard:
    """One card, whole."""
    return LawBook().get(law_id)


@router.post("/laws/{law_id}/{relation}")
def evaluate_law(law_id: str, relation: str, given: EvaluateIn) -> EvaluateOut:
    """One relation evaluated at one point."""
    return EvaluateOut.model_validate(evaluate(LawBook().get(law_id), relation, given.inputs, given.variant), from_attributes=True)
