"""The law base: cards of published scaling laws, accelerators and model shapes, as data."""

from knowledge.errors import InputError, MissingInput
from knowledge.library import LawBook, base_version, load_card, parse_card
from knowledge.schema import Advice, Bound, Check, LawCard, Relation, Variable, Variant

__all__ = [
    "Advice",
    "Bound",
    "Check",
    "InputError",
    "LawBook",
    "LawCard",
    "MissingInput",
    "Relation",
    "Variable",
    "Variant",
    "base_version",
    "load_card",
    "parse_card",
]
