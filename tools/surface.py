"""A law as a loss surface over params and tokens: its optimum under a budget, with the spread of its coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from tools.convert import FLOPS_PER_PARAM_TOKEN
from tools.forms import get_form
from tools.forms._minimise import minimise_log
from tools.law import INTERVAL_LEVEL, coefficient_draws, compute, region_flags, resolve_variant
from tools.result import Assumption, Value

DEFAULT_LAW = "besiroglu2024"
REPETITION_LAW = "muennighoff2023"
Coefficients = Mapping[str, Any]
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Surface:
    """One law's loss over (N, D). `draws` are joint samples of its coefficients, empty when the source gives no joint spread."""

    card: LawCard
    variant: str | None
    draws: dict[str, np.ndarray]
    basis: str

    def loss(self, N: Any, D: Any, coefficients: Coefficients | None = None, unique: float | None = None) -> Any:
        """Loss in the law's own unit; params in the law's own count. A law of repeated data takes every token as fresh unless `unique` says."""
        fresh = {} if self.unique_input is None else {self.unique_input: D if unique is None else unique}
        return next(iter(compute(self.card, "loss", {"N": N, "D": D, **fresh}, self.variant, coefficients).values()))

    @property
    def unique_input(self) -> str | None:
        """Name of the law's own input for unique tokens, of a law of repeated data."""
        return next((name for name, var in self.card.relations["loss"].inputs.items() if var.quantity == "unique_tokens"), None)

    @property
    def is_chinchilla(self) -> bool:
        """Whether the loss is E + A/N^alpha + B/D^beta under these very names, for which optima have closed forms."""
        relation = self.card.relations["loss"]
        return relation.form == "chinchilla_loss" and not relation.rename

    def chinchilla(self, coefficients: Coefficients | None = None) -> dict[str, Any]:
        """The five coefficients, replaced by draws where given; raises InputError for a surface of another form."""
        if not self.is_chinchilla or self.variant is None:
            raise InputError(
                "law", f"{self.card.id} is not of the form E + A/N^alpha + B/D^beta that this needs", "use besiroglu2024 or hoffmann2022"
            )
        merged = {**self.card.variants[self.variant].values, **(coefficients or {})}
        return {name: merged[name] for name in ("E", "A", "B", "alpha", "beta")}

    def best_params(
        self,
        C: Any,
        coefficients: Coefficients | None = None,
        unique_tokens: float | None = None,
        repetition: tuple[float, float] | None = None,
    ) -> Any:
        """Params of least loss under C = 6 N D: the closed form of a Chinchilla surface, else numerically."""
        if unique_tokens is None and self.is_chinchilla:
            return get_form("chinchilla_optimum").fn(C, **self.chinchilla(coefficients))["N"]
        root = (C / FLOPS_PER_PARAM_TOKEN) ** 0.5
        return self.minimise(lambda N: C / (FLOPS_PER_PARAM_TOKEN * N), root * 1e-4, root * 1e3, coefficients, unique_tokens, repetition)

    def compute_for(self, *, params: float | None = None, tokens: float | None = None, coefficients: Coefficients | None = None) -> Any:
        """Compute at whose optimum a size, or a number of tokens, is best: bisection, for surfaces without a closed form."""
        target = params if params is not None else tokens
        span = np.ones(np.broadcast(*(coefficients or {"": 1.0}).values()).shape)
        low, high = np.log(1e9) * span, np.log(1e33) * span
        for _ in range(64):
            middle = 0.5 * (low + high)
            C = np.exp(middle)
            size = self.best_params(C, coefficients)
            beyond = (size if params is not None else C / (FLOPS_PER_PARAM_TOKEN * size)) > target
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return np.exp(0.5 * (low + high))

    def minimise(
        self,
        tokens_of: Callable[[Any], Any],
        low: float,
        high: float,
        coefficients: Coefficients | None = None,
        unique_tokens: float | None = None,
        repetition: tuple[float, float] | None = None,
    ) -> Any:
        """Params of least loss when tokens follow from params, between low and high; one for every draw of the coefficients."""
        span = np.ones(np.broadcast(*(coefficients or {"": 1.0}).values()).shape)
        return minimise_log(lambda N: self.repeated_loss(N, tokens_of(N), unique_tokens, repetition, coefficients), low * span, high * span)

    def repeated_loss(
        self, N: Any, D: Any, unique: float | None, repetition: tuple[float, float] | None, coefficients: Coefficients | None = None
    ) -> Any:
        """Loss when tokens beyond `unique` are repetitions, worth less each epoch (Muennighoff et al. 2023, eqs. 5 and 6).

        `repetition` is (R*_D, R*_N) of that law; the composition with another law's surface is an assumption of ours.
        """
        if unique is None or repetition is None or self.unique_input is not None:
            return self.loss(N, D, coefficients, unique)
        worth = get_form("effective_tokens").fn(D, unique, Rd=repetition[0])["D_eff"]
        return self.loss(N, worth, coefficients)

    def evaluate(self, fn: Callable[[Coefficients | None], Outcome]) -> tuple[Outcome, dict[str, tuple[float, float]]]:
        """Outcome at the law's coefficients, and the central interval of each of its numbers over the draws."""
        centre = {key: float(np.asarray(value)) for key, value in fn(None).items()}
        if not self.draws:
            return centre, {}
        low, high = (1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2
        bounds: dict[str, tuple[float, float]] = {}
        for key, value in fn(self.draws).items():
            samples = np.asarray(value, float)
            if samples.ndim == 1 and np.isfinite(samples).all() and np.ptp(samples) > 1e-9 * abs(float(samples.mean())):
                a, b = np.quantile(samples, [low, high])
                bounds[key] = min(float(a), centre[key]), max(float(b), centre[key])
        return centre, bounds

    @property
    def loss_unit(self) -> str:
        """Unit of the law's loss: nats/token, or bits/char and the like."""
        return next(iter(self.card.relations["loss"].outputs.values())).unit

    @property
    def size_quantity(self) -> str:
        """What the law's N counts: `params_total`, or `params_nonembedding` and the like."""
        return self.card.relations["loss"].inputs["N"].quantity

    def value(
        self,
        key: str,
        outcome: Outcome,
        bounds: Mapping[str, tuple[float, float]],
        *,
        unit: str,
        label: str,
        formula: str,
        inputs: Mapping[str, Any],
        quantity: str = "",
        relation: str = "optimum",
    ) -> Value:
        """One number of an outcome as a Value with this law's name, interval, region flags and source."""
        low, high = bounds.get(key, (None, None))
        checked = {name: outcome.get(name, inputs.get(name)) for name in ("N", "D", "C")}
        flags = region_flags(
            self.card,
            "loss" if "loss" in self.card.relations else relation,
            self.variant,
            {k: v for k, v in checked.items() if v is not None},
        )
        return Value(
            value=outcome[key],
            unit=unit,
            label=label,
            quantity=quantity,
            low=low,
            high=high,
            level=INTERVAL_LEVEL if low is not None else None,
            interval_basis=self.basis if low is not None else "",
            law=self.card.id,
            relation=relation,
            variant=self.variant or "",
            formula=formula,
            inputs=dict(inputs),
            source=cite(self.card),
            outside=flags,
        )


def cite(card: LawCard) -> str:
    """Authors, year and arXiv number of a card."""
    return f"{card.authors} {card.year}" + (f", arXiv:{card.arxiv}" if card.arxiv else "")


def surface(laws: LawBook, law: str | None = None, variant: str | None = None) -> Surface:
    """The loss surface of a law (the default one when none is named); raises InputError for a law without one."""
    card = laws.get(law or DEFAULT_LAW)
    relation = card.relations.get("loss")
    if relation is None or not {"N", "D"} <= set(relation.inputs):
        raise InputError(
            "law", f"{card.id} gives no loss from params and tokens", f"use one that does, such as {DEFAULT_LAW} or hoffmann2022"
        )
    key = resolve_variant(card, "loss", variant)
    draws, basis = coefficient_draws(card.variants[key]) if key else ({}, "")
    return Surface(card, key, draws, basis)


def assumed_law() -> Assumption:
    """The note that the default law was taken since none was named."""
    source = "flopwise default: the replication that fits the published runs best and prints its errors"
    return Assumption(field="law", value=DEFAULT_LAW, source=source)


def repetition_scales(laws: LawBook) -> tuple[float, float]:
    """(R*_D, R*_N): epochs after which repeated tokens, and excess params, have lost most of their worth (Muennighoff et al. 2023)."""
    card = laws.get(REPETITION_LAW)
    key = resolve_variant(card, "loss", None)
    values: dict[str, Any] = card.variants[key].values if key else {}
    return float(values["Rd"]), float(values["Rn"])
