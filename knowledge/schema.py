"""One schema for everything the base holds about a paper: a law card.

A card of kind `numeric`, `rule` or `form` has relations (signature + form) and, where the paper prints them, variants
(coefficients); a card of kind `finding` has advice with the conditions under which it applies.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from knowledge.quantities import QUANTITIES

Status = Literal["confirmed", "refit", "derived", "recalled"]
Kind = Literal["numeric", "rule", "form", "finding"]
Range = tuple[float | None, float | None]
Scalar = float | int | str | bool


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Variable(_Card):
    """One input or output of a relation: the kind of quantity, and what a default or a corpus pins down."""

    quantity: str
    note: str = ""
    default: float | None = None
    corpus: str = Field(default="", description="data set and tokenizer a loss or score belongs to; losses of two corpora never mix")

    @model_validator(mode="after")
    def _known(self) -> Variable:
        if self.quantity not in QUANTITIES:
            raise ValueError(f"unknown quantity {self.quantity!r}; known: {', '.join(QUANTITIES)}")
        return self

    @property
    def unit(self) -> str:
        """Unit of the quantity."""
        return QUANTITIES[self.quantity][0]


def _variable(value: object) -> object:
    return {"quantity": value} if isinstance(value, str) else value


VariableField = Annotated[Variable, BeforeValidator(_variable)]


class Draws(_Card):
    """Joint samples of the coefficients (bootstrap or posterior): one row a draw, one column a name."""

    names: list[str]
    rows: list[list[float]]


class Covariance(_Card):
    """Covariance of the coefficients, in the order of `names`; `log` names are those whose logarithm it describes."""

    names: list[str]
    matrix: list[list[float]]
    log: list[str] = []


class CoefficientInterval(_Card):
    """Published intervals of single coefficients, at one level."""

    level: float = Field(gt=0, lt=1)
    bounds: dict[str, tuple[float, float]]


class Variant(_Card):
    """One set of coefficients of a law. `label` is the source's own name for it."""

    label: str = ""
    values: dict[str, float | list[float]]
    stderr: dict[str, float] = {}
    interval: CoefficientInterval | None = None
    covariance: Covariance | None = None
    draws: Draws | None = None
    draws_file: str = Field(default="", description="CSV in knowledge/draws with a header of coefficient names")
    status: Status
    source: str
    note: str = ""
    region: dict[str, Range] = Field(default={}, description="replaces the card's region for these variables")


class Relation(_Card):
    """A named, typed function of a law: `form` is a registered function of tools.forms."""

    form: str
    title: str = ""
    inputs: dict[str, VariableField]
    outputs: dict[str, VariableField]
    variants: list[str] | None = Field(default=None, description="keys of the variants that carry its coefficients; all if absent")
    default_variant: str | None = None
    constants: dict[str, float | int | str | bool | list[float]] = Field(default={}, description="fixed arguments of the form")
    rename: dict[str, str] = Field(default={}, description="argument or output of the form -> name used on this card")
    region: dict[str, Range] = {}
    rises_with: list[str] = Field(default=[], description="inputs in which the first output never falls (property-tested)")
    falls_with: list[str] = Field(default=[], description="inputs in which the first output never rises (property-tested)")
    note: str = ""


class Check(_Card):
    """A published or re-derived number the card must reproduce."""

    relation: str
    variant: str | None = None
    given: dict[str, Scalar | list[float]]
    expect: dict[str, float]
    rel_tol: float | None = None
    abs_tol: float | None = None
    source: str
    status: str = "confirmed"


class Bound(_Card):
    """A condition on a numeric fact; all stated bounds must hold."""

    above: float | None = None
    below: float | None = None
    stated: bool | None = None


class Advice(_Card):
    """What to tell the user, and when: every fact named in `when` must match (any of a list, or within a bound)."""

    when: dict[str, list[Scalar] | Bound]
    say: str
    level: Literal["info", "caution", "warning"] = "info"
    source: str = ""


class Source(_Card):
    """Where a card's facts were read, and what that text confirms."""

    source: str
    confirms: str = ""


class LawCard(_Card):
    """Everything the base knows about one law or finding."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    titles: list[str] = Field(default=[], description="titles of the mission's papers this card answers for, if not `title` alone")
    authors: str
    year: int
    arxiv: str | None = None
    area: str
    kind: Kind
    summary: str = Field(description="one line: what it lets one compute or decide")
    answers: list[str] = []
    symbols: dict[str, str] = {}
    setting: str = Field(default="", description="what the fit was made on: architecture, data, schedule")
    variants: dict[str, Variant] = {}
    default_variant: str | None = None
    relations: dict[str, Relation] = {}
    region: dict[str, Range] = Field(default={}, description="fit region by variable name; null is an open end")
    checks: list[Check] = []
    advice: list[Advice] = []
    caveats: list[str] = []
    missing: str = Field(default="", description="what the paper has that the base lacks, and what it would take")
    uncertainty: str = ""
    sources: list[Source] = []

    @model_validator(mode="after")
    def _consistent(self) -> LawCard:
        if self.default_variant is not None and self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant!r} is not one of {list(self.variants)}")
        if self.kind == "finding" and not self.advice and not self.relations:
            raise ValueError("a finding needs advice")
        if self.kind != "finding" and not self.relations:
            raise ValueError(f"a card of kind {self.kind!r} needs relations")
        for name, relation in self.relations.items():
            for key in [*(relation.variants or []), *([relation.default_variant] if relation.default_variant else [])]:
                if key not in self.variants:
                    raise ValueError(f"relation {name!r} names variant {key!r}, which is not on the card")
        for check in self.checks:
            if check.relation not in self.relations:
                raise ValueError(f"a check names relation {check.relation!r}, which is not on the card")
        return self

    def variants_of(self, relation: str) -> list[str]:
        """Keys of the variants that carry the coefficients of a relation."""
        named = self.relations[relation].variants
        return list(self.variants) if named is None else named
