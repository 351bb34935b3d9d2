"""Registry of forms: plain numpy functions with inputs first and coefficients keyword-only.

    @form("L = E + A/N^alpha + B/D^beta")
    def chinchilla(N, D, *, E, A, B, alpha, beta): ...

Every form broadcasts over arrays in inputs and coefficients alike (draws of coefficients against a grid of inputs) and
returns one array, or a dict of them by output name.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from knowledge.errors import InputError


@dataclass(frozen=True)
class Form:
    """A registered form: its name, its formula in plain text, and what it takes."""

    name: str
    formula: str
    fn: Callable[..., Any]
    inputs: tuple[str, ...]
    coefficients: tuple[str, ...]
    optional: frozenset[str]


_FORMS: dict[str, Form] = {}


def form(formula: str, *, coefficients_of: Callable[..., Any] | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function as the form of its own name; one that takes `**coefficients` takes those of another form."""

    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [p for p in inspect.signature(fn).parameters.values() if p.kind is not p.VAR_KEYWORD]
        if coefficients_of is not None:
            parameters += [p for p in inspect.signature(coefficients_of).parameters.values() if p.kind is p.KEYWORD_ONLY]
        positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        keyword = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        optional = frozenset(p.name for p in parameters if p.default is not p.empty)
        if fn.__name__ in _FORMS:
            raise RuntimeError(f"form {fn.__name__!r} is registered twice")
        _FORMS[fn.__name__] = Form(fn.__name__, formula, fn, positional, keyword, optional)
        return fn

    return register


def get_form(name: str) -> Form:
    """A form by name. Only the family that defines it is imported: a cold question should not pay for three hundred forms."""
    if name not in _FORMS and (family := _families().get(name)):
        importlib.import_module(f"tools.forms.{family}")
    if name not in _FORMS:
        raise InputError("form", f"no form is called {name!r}", "see tools/forms")
    return _FORMS[name]


@functools.cache
def _families() -> dict[str, str]:
    """Form -> module, read from the source text: the decorated functions of every family file."""
    found: dict[str, str] = {}
    for entry in files("tools.forms").iterdir():
        if entry.name.endswith(".py") and not entry.name.startswith("_"):
            for name in re.findall(r"^def (\w+)\(", entry.read_text(encoding="utf8"), re.MULTILINE):
                found.setdefault(name, entry.name.removesuffix(".py"))
    return found


def import_forms() -> dict[str, Form]:
    """Import every family module and return all forms."""
    package = importlib.import_module("tools.forms")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"tools.forms.{module.name}")
    return dict(_FORMS)
