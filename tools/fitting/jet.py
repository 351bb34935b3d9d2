"""Exact derivatives of any registered form: numbers that carry their partial derivatives through numpy operations.

A form is called with its coefficients as jets; each elementary operation applies its own derivative rule (forward
accumulation), so the gradient is analytic to rounding and cannot drift from the form's value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_Partials = dict[int, Any]


def _scaled(partials: _Partials, factor: Any) -> _Partials:
    return {key: value * factor for key, value in partials.items()}


def _added(left: _Partials, right: _Partials) -> _Partials:
    return {key: left[key] + right[key] if key in left and key in right else left.get(key, right.get(key)) for key in left | right}


class Jet:
    """A value with its partial derivatives by parameter index; absent partials are zero."""

    __slots__ = ("partials", "value")

    def __init__(self, value: Any, partials: _Partials) -> None:
        self.value = value
        self.partials = partials

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        rule = _RULES.get(ufunc.__name__)
        if method != "__call__" or rule is None:
            raise TypeError(f"no derivative rule for numpy.{ufunc.__name__}")
        return rule(*inputs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.where:
            return _where(*args)
        if func is np.clip:
            return np.minimum(np.maximum(args[0], args[1]), args[2])
        raise TypeError(f"no derivative rule for numpy.{func.__name__}")

    def __add__(self, other: Any) -> Any:
        return _add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return _multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return _power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return _power(other, self)

    def __neg__(self) -> Jet:
        return Jet(-self.value, _scaled(self.partials, -1.0))

    def __gt__(self, other: Any) -> Any:
        return value_of(self) > value_of(other)

    def __lt__(self, other: Any) -> Any:
        return value_of(self) < value_of(other)

    def __ge__(self, other: Any) -> Any:
        return value_of(self) >= value_of(other)

    def __le__(self, other: Any) -> Any:
        return value_of(self) <= value_of(other)


def value_of(x: Any) -> Any:
    """The plain number or array of a jet or of itself."""
    return x.value if isinstance(x, Jet) else x


def _parts(x: Any) -> _Partials:
    return x.partials if isinstance(x, Jet) else {}


def _add(a: Any, b: Any) -> Jet:
    return Jet(value_of(a) + value_of(b), _added(_parts(a), _parts(b)))


def _subtract(a: Any, b: Any) -> Jet:
    return Jet(value_of(a) - value_of(b), _added(_parts(a), _scaled(_parts(b), -1.0)))


def _multiply(a: Any, b: Any) -> Jet:
    x, y = value_of(a), value_of(b)
    return Jet(x * y, _added(_scaled(_parts(a), y), _scaled(_parts(b), x)))


def _divide(a: Any, b: Any) -> Jet:
    x, y = value_of(a), value_of(b)
    inverse = 1.0 / y
    return Jet(x * inverse, _added(_scaled(_parts(a), inverse), _scaled(_parts(b), -x * inverse * inverse)))


def _power(a: Any, b: Any) -> Jet:
    x, y = value_of(a), value_of(b)
    value = np.power(np.asarray(x, float), y)
    partials: _Partials = {}
    if isinstance(a, Jet):
        partials = _scaled(a.partials, y * np.power(np.asarray(x, float), y - 1.0))
    if isinstance(b, Jet):
        partials = _added(partials, _scaled(b.partials, value * np.log(x)))
    return Jet(value, partials)


def _unary(value: Callable[[Any], Any], slope: Callable[[Any, Any], Any]) -> Callable[[Any], Jet]:
    def rule(a: Any) -> Jet:
        x = value_of(a)
        y = value(x)
        return Jet(y, _scaled(_parts(a), slope(x, y)))

    return rule


def _where(condition: Any, a: Any, b: Any) -> Jet:
    mask = value_of(condition)
    left, right = _parts(a), _parts(b)
    partials = {key: np.where(mask, left.get(key, 0.0), right.get(key, 0.0)) for key in left | right}
    return Jet(np.where(mask, value_of(a), value_of(b)), partials)


_RULES: dict[str, Callable[..., Any]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "true_divide": _divide,
    "power": _power,
    "float_power": _power,
    "negative": lambda a: -a,
    "positive": lambda a: a,
    "exp": _unary(np.exp, lambda _x, y: y),
    "expm1": _unary(np.expm1, lambda _x, y: y + 1.0),
    "log": _unary(np.log, lambda x, _y: 1.0 / x),
    "log1p": _unary(np.log1p, lambda x, _y: 1.0 / (1.0 + x)),
    "log2": _unary(np.log2, lambda x, _y: 1.0 / (x * np.log(2.0))),
    "log10": _unary(np.log10, lambda x, _y: 1.0 / (x * np.log(10.0))),
    "sqrt": _unary(np.sqrt, lambda _x, y: 0.5 / y),
    "square": _unary(np.square, lambda x, _y: 2.0 * x),
    "tanh": _unary(np.tanh, lambda _x, y: 1.0 - y * y),
    "abs": _unary(np.abs, lambda x, _y: np.sign(x)),
    "absolute": _unary(np.abs, lambda x, _y: np.sign(x)),
    "maximum": lambda a, b: _where(value_of(a) >= value_of(b), a, b),
    "minimum": lambda a, b: _where(value_of(a) <= value_of(b), a, b),
    "greater": lambda a, b: value_of(a) > value_of(b),
    "less": lambda a, b: value_of(a) < value_of(b),
    "greater_equal": lambda a, b: value_of(a) >= value_of(b),
    "less_equal": lambda a, b: value_of(a) <= value_of(b),
    "logaddexp": lambda a, b: _logaddexp(a, b),
}


def _logaddexp(a: Any, b: Any) -> Jet:
    x, y = value_of(a), value_of(b)
    value = np.logaddexp(x, y)
    return Jet(value, _added(_scaled(_parts(a), np.exp(x - value)), _scaled(_parts(b), np.exp(y - value))))
