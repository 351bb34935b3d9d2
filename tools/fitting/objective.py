"""The fitting objective: sum of Huber(delta) over residuals of log loss (or loss, or log-odds), with its normal equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.fitting._solver import Normal
from tools.fitting.jet import Jet, value_of
from tools.fitting.spec import FitForm
from tools.forms import get_form

Floats = npt.NDArray[np.float64]
HUBER_DELTA = 1e-3  # Hoffmann et al. 2022, section 3.3, on log residuals


def link(residual: str, value: Any) -> Any:
    """What residuals are taken of: log loss, the loss itself or its log-odds."""
    if residual == "log":
        return np.log(value)
    return value if residual == "linear" else np.log(value) - np.log(1.0 - value)


def _weights(r: Floats, w: Floats, delta: float, damping: bool) -> tuple[Floats, Floats, Floats, Floats | None]:
    """Cost [S], w psi(r), and the weights of curvature inside and (for damping) outside delta [S,n]."""
    size = np.abs(r)
    inner = np.minimum(size, delta)
    psi = np.copysign(inner, r)
    psi *= w
    is_in = size <= delta
    w_in = is_in * w
    w_out = None
    if damping:
        w_out = w - w_in
        w_out *= delta
        w_out /= np.maximum(size, delta)
    inner *= -0.5
    inner += size
    cost = np.einsum("sn,sn->s", np.abs(psi), inner)  # |psi| (|r| - min(|r|, delta)/2): psi carries the weight
    return cost, psi, w_in, w_out


class Objective:
    """A form on data: internal parameters theta are logarithms where the form's spec says so.

    `inputs` are arrays [n] by the form's input names, `target` [n] the measured value.
    """

    def __init__(self, spec: FitForm, inputs: Mapping[str, Floats], target: Floats, delta: float = HUBER_DELTA) -> None:
        self.spec = spec
        self.form = get_form(spec.form)
        self.inputs = {name: np.asarray(column, float)[None, :] for name, column in inputs.items()}
        self.target = np.asarray(target, float)
        self.y = link(spec.residual, self.target)[None, :]
        self.delta = delta
        self.n = len(self.target)
        self.p = len(spec.parameters)
        self.is_log = np.array([parameter.log for parameter in spec.parameters])
        self.bounds = (
            np.array([p.internal(p.bounds[0]) for p in spec.parameters]),
            np.array([p.internal(p.bounds[1]) for p in spec.parameters]),
        )

    def natural(self, theta: Floats) -> dict[str, Floats]:
        """Coefficients by name from internal parameters [..., p]."""
        values = np.where(self.is_log, np.exp(np.where(self.is_log, theta, 0.0)), theta)
        return {parameter.name: values[..., i] for i, parameter in enumerate(self.spec.parameters)}

    def internal(self, values: Mapping[str, Any]) -> Floats:
        """Internal parameters [..., p] from coefficients by name."""
        with np.errstate(divide="ignore"):
            columns = [np.log(values[p.name]) if p.log else np.asarray(values[p.name], float) for p in self.spec.parameters]
        return np.clip(np.stack(np.broadcast_arrays(*columns), -1), *self.bounds)

    def predict(self, theta: Floats, inputs: Mapping[str, Floats] | None = None) -> Floats:
        """Predicted values [S,n] by the registered form."""
        columns = self.inputs if inputs is None else {k: np.asarray(v, float)[None, :] for k, v in inputs.items()}
        coefficients = {name: value[:, None] for name, value in self.natural(np.atleast_2d(theta)).items()}
        with np.errstate(all="ignore"):
            out = self.form.fn(**columns, **coefficients, **self.spec.constants)
        value = out[self.spec.output] if isinstance(out, dict) else out
        return np.broadcast_to(value, (len(np.atleast_2d(theta)), next(iter(columns.values())).shape[1]))

    def linearise(self, theta: Floats, inputs: Mapping[str, Floats] | None = None) -> tuple[Floats, Floats]:
        """Linked predictions [S,n] and their derivatives by internal parameter [S,p,n]."""
        columns = self.inputs if inputs is None else {k: np.asarray(v, float)[None, :] for k, v in inputs.items()}
        coefficients = {}
        for i, (name, value) in enumerate(self.natural(theta).items()):
            slope = value[:, None] if self.is_log[i] else np.ones((len(theta), 1))
            coefficients[name] = Jet(value[:, None], {i: slope})
        out = self.form.fn(**columns, **coefficients, **self.spec.constants)
        raw = out[self.spec.output] if isinstance(out, dict) else out
        linked = link(self.spec.residual, raw)
        shape = (len(theta), next(iter(columns.values())).shape[1])
        jacobian = np.zeros((shape[0], self.p, shape[1]))
        if isinstance(linked, Jet):
            for i, partial in linked.partials.items():
                jacobian[:, i, :] = partial
        return np.broadcast_to(value_of(linked), shape), jacobian

    def residuals(self, theta: Floats) -> Floats:
        """Measured minus predicted, on the linked scale [S,n]."""
        with np.errstate(all="ignore"):
            return self.y - link(self.spec.residual, self.predict(theta))

    def normal(self, theta: Floats, w: Floats, /, damping: bool = True) -> Normal:
        """Normal equations of all rows of theta; a row with no finite value has infinite cost."""
        with np.errstate(all="ignore"):
            f, jacobian = self.linearise(theta)
            cost, psi, w_in, w_out = _weights(self.y - f, w, self.delta, damping)
            gradient = np.matmul(jacobian, psi[:, :, None])[:, :, 0]
            swapped = jacobian.transpose(0, 2, 1)
            inside = np.matmul(jacobian * w_in[:, None, :], swapped)
            outside = None if w_out is None else np.matmul(jacobian * w_out[:, None, :], swapped)
        return _guarded(cost, gradient, inside, outside)


def _guarded(cost: Floats, gradient: Floats, inside: Floats, outside: Floats | None) -> Normal:
    """Normal equations in which a row with anything not finite has infinite cost and zeros."""
    with np.errstate(all="ignore"):
        total = cost + gradient.sum(1) + inside.sum((1, 2)) + (0.0 if outside is None else outside.sum((1, 2)))
    sound = np.isfinite(total)
    if sound.all():
        return Normal(cost, gradient, inside, outside)
    cost = np.where(sound, cost, np.inf)
    gradient, inside = np.where(sound[:, None], gradient, 0.0), np.where(sound[:, None, None], inside, 0.0)
    return Normal(cost, gradient, inside, None if outside is None else np.where(sound[:, None, None], outside, 0.0))


def _moment_matrix(w: Floats, p2: Floats, p3: Floats, X: Floats) -> Floats:
    """sum_i w_i g_i g_i^T for g = (1-p2-p3, p2, p3, -p2 x, -p3 y), from products with X = [1, x, y, x^2, x y, y^2]."""
    a, b = w * p2, w * p3
    s0, s2, s3 = w.sum(1), a @ X[:, :2], b @ X[:, 0:3:2]
    s22 = np.multiply(a, p2) @ X[:, [0, 1, 3]]
    s23 = np.multiply(a, p3) @ X[:, [0, 1, 2, 4]]
    s33 = np.multiply(b, p3) @ X[:, [0, 2, 5]]
    m1x = s2[:, 1] - s22[:, 1] - s23[:, 1]
    m1y = s3[:, 1] - s23[:, 2] - s33[:, 1]
    one2 = s2[:, 0] - s22[:, 0] - s23[:, 0]
    one3 = s3[:, 0] - s23[:, 0] - s33[:, 0]
    one1 = s0 - s2[:, 0] - s3[:, 0] - one2 - one3
    rows = (
        one1,
        one2,
        one3,
        -m1x,
        -m1y,
        one2,
        s22[:, 0],
        s23[:, 0],
        -s22[:, 1],
        -s23[:, 2],
        one3,
        s23[:, 0],
        s33[:, 0],
        -s23[:, 1],
        -s33[:, 1],
        -m1x,
        -s22[:, 1],
        -s23[:, 1],
        s22[:, 2],
        s23[:, 3],
        -m1y,
        -s23[:, 2],
        -s33[:, 1],
        s23[:, 3],
        s33[:, 2],
    )
    return np.stack(rows, 1).reshape(len(w), 5, 5)


class ChinchillaObjective(Objective):
    """L = E + A/N^alpha + B/D^beta on log residuals, by hand for speed: theta = (log E, log A', log B', alpha, beta).

    A' and B' are the terms' sizes at the mean of log N and of log D, which takes the near-degeneracy of A and alpha out.
    """

    def __init__(self, spec: FitForm, inputs: Mapping[str, Floats], target: Floats, delta: float = HUBER_DELTA) -> None:
        super().__init__(spec, inputs, target, delta)
        x, y = np.log(self.inputs["N"][0]), np.log(self.inputs["D"][0])
        self._centre = np.array([0.0, x.mean(), y.mean()])
        self._x, self._y = x - x.mean(), y - y.mean()
        self._X = np.ascontiguousarray(np.stack([np.ones_like(x), self._x, self._y, self._x**2, self._x * self._y, self._y**2], 1))
        # A term below a millionth of the loss is no term: the bound keeps its logarithm from wandering off for ever.
        middle = float(np.median(self.y))
        self.bounds = (
            np.concatenate([np.full(3, middle - 14.0), self.bounds[0][3:]]),
            np.concatenate([np.full(3, middle + 14.0), self.bounds[1][3:]]),
        )

    def natural(self, theta: Floats) -> dict[str, Floats]:
        """Coefficients E, A, B, alpha, beta."""
        alpha, beta = theta[..., 3], theta[..., 4]
        return {
            "E": np.exp(theta[..., 0]),
            "A": np.exp(theta[..., 1] + alpha * self._centre[1]),
            "B": np.exp(theta[..., 2] + beta * self._centre[2]),
            "alpha": alpha,
            "beta": beta,
        }

    def internal(self, values: Mapping[str, Any]) -> Floats:
        """Theta from coefficients."""
        with np.errstate(divide="ignore"):
            logs = [np.log(values[k]) for k in ("E", "A", "B")]
        columns = (
            logs[0],
            logs[1] - values["alpha"] * self._centre[1],
            logs[2] - values["beta"] * self._centre[2],
            values["alpha"],
            values["beta"],
        )
        return np.clip(np.stack(np.broadcast_arrays(*columns), -1), *self.bounds)

    def linearise(self, theta: Floats, inputs: Mapping[str, Floats] | None = None) -> tuple[Floats, Floats]:
        """Linked predictions and derivatives by the centred parameters."""
        x, y = (self._x, self._y) if inputs is None else (np.log(inputs["N"]) - self._centre[1], np.log(inputs["D"]) - self._centre[2])
        e, a, b, alpha, beta = (theta[:, k : k + 1] for k in range(5))
        t1, t2, t3 = np.broadcast_to(np.exp(e), (len(theta), len(x))), np.exp(a - alpha * x), np.exp(b - beta * y)
        total = t1 + t2 + t3
        p2, p3 = t2 / total, t3 / total
        return np.log(total), np.stack([t1 / total, p2, p3, -p2 * x, -p3 * y], 1)

    def normal(self, theta: Floats, w: Floats, /, damping: bool = True) -> Normal:
        """Normal equations from moments of the three terms' shares; no [S,p,n] array is made."""
        e, a, b, alpha, beta = (theta[:, k : k + 1] for k in range(5))
        with np.errstate(all="ignore"):
            p2 = np.multiply(alpha, -self._x)
            p2 += a
            np.exp(p2, out=p2)
            p3 = np.multiply(beta, -self._y)
            p3 += b
            np.exp(p3, out=p3)
            r = p2 + p3
            r += np.exp(e)
            p2 /= r
            p3 /= r
            np.log(r, out=r)
            np.subtract(self.y, r, out=r)
            cost, psi, w_in, w_out = _weights(r, w, self.delta, damping)
            inside = _moment_matrix(w_in, p2, p3, self._X)
            outside = None if w_out is None else _moment_matrix(w_out, p2, p3, self._X)
            p2 *= psi
            p3 *= psi
            g2, g3 = p2 @ self._X[:, :2], p3 @ self._X[:, 0:3:2]
        gradient = np.stack([psi.sum(1) - g2[:, 0] - g3[:, 0], g2[:, 0], g3[:, 0], -g2[:, 1], -g3[:, 1]], 1)
        return _guarded(cost, gradient, inside, outside)


def objective_for(spec: FitForm, inputs: Mapping[str, Floats], target: Floats, delta: float = HUBER_DELTA) -> Objective:
    """The objective of a form on data, by the fast path where there is one."""
    fast = spec.form == "chinchilla_loss" and spec.residual == "log" and len(spec.parameters) == 5
    return (ChinchillaObjective if fast else Objective)(spec, inputs, target, delta)
