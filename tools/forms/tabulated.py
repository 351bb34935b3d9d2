"""Published constants as relations, so that a number of a paper can be asked for like any other."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


@form("value as published")
def tabulated(*, value: Any) -> Any:
    """One published constant."""
    return np.asarray(value, float)


@form("two values as published")
def tabulated_pair(*, first: Any, second: Any) -> dict[str, Any]:
    """Two published constants of one kind, such as before and after."""
    return {"first": np.asarray(first, float), "second": np.asarray(second, float)}
