"""What can be fitted: each registered form with its data columns, its parameters' bounds and where a search starts."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from knowledge.errors import InputError

Residual = Literal["log", "linear", "logit"]


@dataclass(frozen=True)
class Parameter:
    """A coefficient: starts are drawn in low..high (times the median of `times`), fits stay within `bounds`.

    `linear`: the form is linear in it and it starts from linear least squares; `log`: positive, fitted by its logarithm.
    """

    name: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    linear: bool = False
    times: str = ""
    bounds: tuple[float, float] = (-math.inf, math.inf)
    share_of: tuple[tuple[str, str, int], ...] | None = None  # term = value * input^(sign * exponent) starts as low..high of the target

    def internal(self, value: float) -> float:
        """The value on the scale it is fitted on."""
        if not self.log:
            return value
        return math.log(value) if value > 0 else -700.0


def amplitude(name: str) -> Parameter:
    """A positive factor in front of a term."""
    return Parameter(name, log=True, linear=True, bounds=(0.0, math.inf))


def exponent(name: str, low: float = 0.1, high: float = 0.9, bounds: tuple[float, float] = (0.005, 5.0)) -> Parameter:
    """A power-law exponent."""
    return Parameter(name, low, high, bounds=bounds)


def positive(name: str, low: float, high: float, times: str = "") -> Parameter:
    """A positive scale, searched evenly in its logarithm."""
    return Parameter(name, low, high, log=True, times=times, bounds=(0.0, math.inf))


def term(name: str, *powers: tuple[str, str, int], share: tuple[float, float] = (0.03, 0.8), log: bool = True) -> Parameter:
    """A factor whose term value / input^(exponent) starts as a share of the median target; `log` False when the factor is a logarithm."""
    return Parameter(name, *share, log=log, bounds=(0.0, math.inf) if log else (-math.inf, math.inf), share_of=powers)


def free(name: str, low: float, high: float, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Parameter:
    """A coefficient of either sign."""
    return Parameter(name, low, high, bounds=bounds)


@dataclass(frozen=True)
class FitForm:
    """A form that can be fitted. `inputs`: form input -> column role; `residual`: what Huber is applied to."""

    name: str
    title: str
    form: str
    inputs: Mapping[str, str]
    parameters: tuple[Parameter, ...]
    residual: Residual = "log"
    target: str = "loss"
    output: str = ""
    constants: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    centre: tuple[tuple[str, str], ...] = ()  # constants of the form set to the geometric mean of an input

    def centred(self, inputs: Mapping[str, np.ndarray]) -> FitForm:
        """The form with its centring constants taken from the data."""
        if not self.centre:
            return self
        found = {name: float(np.exp(np.mean(np.log(inputs[column])))) for name, column in self.centre}
        return replace(self, constants={**self.constants, **found}, centre=())

    def linear_residual(self) -> FitForm:
        """The same form fitted on the loss itself, its floor free to be negative (for normalised losses below zero)."""
        freed = tuple(
            replace(p, log=False, bounds=(-math.inf, math.inf)) if p.linear and p.name in ("E", "y_0") else p for p in self.parameters
        )
        return replace(self, residual="linear", parameters=freed)

    @property
    def names(self) -> tuple[str, ...]:
        """The coefficients' names, in order."""
        return tuple(p.name for p in self.parameters)


FIT_FORMS: dict[str, FitForm] = {}


def register(spec: FitForm) -> None:
    """Add a form to those that can be fitted."""
    FIT_FORMS[spec.name] = spec


def fit_forms() -> dict[str, FitForm]:
    """Every form that can be fitted, by name."""
    importlib.import_module("tools.fitting.catalogue")  # registers the forms
    return FIT_FORMS


def fit_form(name: str) -> FitForm:
    """A fit form by name or alias; raises InputError with the nearest names."""
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    for spec in fit_forms().values():
        if key == spec.name or key in (alias.replace("-", "_") for alias in spec.aliases):
            return spec
    near = difflib.get_close_matches(key, FIT_FORMS, 3, 0.4)
    raise InputError("form", f"no form called {name!r} can be fitted", f"forms: {', '.join(near or FIT_FORMS)}")


def starting_points(spec: FitForm, medians: Mapping[str, float], n: int) -> np.ndarray:
    """Shape parameters [n, p] in natural units, spread evenly by an additive recurrence (the same every time).

    Linear amplitudes are left at NaN: they follow from the shape by least squares.
    """
    shapes = [i for i, p in enumerate(spec.parameters) if not p.linear]
    out = np.full((n, len(spec.parameters)), np.nan)
    unit = even_points(n, len(shapes))
    for column, i in enumerate(shapes):
        p = spec.parameters[i]
        scale = medians.get(p.times, 1.0) if p.times else 1.0
        low, high = p.low * scale, p.high * scale
        out[:, i] = low * (high / low) ** unit[:, column] if p.log or p.share_of is not None else low + (high - low) * unit[:, column]
    for i in shapes:
        powers = spec.parameters[i].share_of
        if powers is not None:
            out[:, i] = _factor(spec, i, powers, out, medians)
    return out


def even_points(n: int, dimensions: int) -> np.ndarray:
    """`n` points spread evenly in the unit cube [n, dimensions]."""
    root = 1.0
    for _ in range(60):  # the positive root of x^(d+1) = x + 1 gives the most even additive recurrence in d dimensions
        root = (1.0 + root) ** (1.0 / (dimensions + 1.0))
    steps = root ** -np.arange(1, dimensions + 1)
    return np.mod(0.5 + np.outer(np.arange(1, n + 1), steps), 1.0)


def _factor(
    spec: FitForm, i: int, powers: tuple[tuple[str, str, int], ...], points: np.ndarray, medians: Mapping[str, float]
) -> np.ndarray:
    """The factor that makes its term a given share of the median target, from the exponents already drawn."""
    log_value = np.log(points[:, i] * medians.get("", 1.0))
    for name, power, sign in powers:
        log_value = log_value + sign * points[:, spec.names.index(power)] * math.log(medians[name])
    return np.exp(log_value) if spec.parameters[i].log else log_value
