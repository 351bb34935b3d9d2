"""Generic forms shared by many cards: products and sums of powers, with and without a floor."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("y = k x^p")
def power(x: Any, *, k: Any, p: Any) -> Any:
    """One power law."""
    return k * np.asarray(x, float) ** p


@form("y = (x_c/x)^p")
def power_scaled(x: Any, *, x_c: Any, p: Any) -> Any:
    """One power law written by its scale x_c (Kaplan et al. 2020, eqs. 1.1-1.3)."""
    return (x_c / np.asarray(x, float)) ** p


@form("y = y_0 + k x^p")
def power_floor(x: Any, *, y_0: Any, k: Any, p: Any) -> Any:
    """One power law above a floor."""
    return y_0 + k * np.asarray(x, float) ** p


@form("z = k x^p y^q")
def power_product(x: Any, y: Any, *, k: Any, p: Any, q: Any) -> Any:
    """A product of two power laws."""
    return k * np.asarray(x, float) ** p * np.asarray(y, float) ** q
