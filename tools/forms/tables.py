"""Published tables as forms: exact at the printed points, interpolated between, held constant beyond the ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.forms._registry import form


def _steps(x: Any, knots: Any) -> Any:
    # Position of x among the knots, as a fractional index in log x.
    logs = np.log(np.asarray(knots, float))
    order = np.argsort(logs)
    return np.interp(np.log(np.asarray(x, float)), logs[order], order.astype(float))


@form("y(x): published table, linear in log x between its points")
def table_log(x: Any, *, x_table: Any, y_table: Any) -> Any:
    """One column of a table against another; constant beyond the ends."""
    logs = np.log(np.asarray(x_table, float))
    order = np.argsort(logs)
    return np.interp(np.log(np.asarray(x, float)), logs[order], np.asarray(y_table, float)[order])


@form("z(x, y): published table, bilinear in log x and log y between its points")
def table_log2(x: Any, y: Any, *, x_table: Any, y_table: Any, z_table: Any) -> Any:
    """A table of rows x and columns y (z_table row by row); constant beyond the ends."""
    x_table, y_table = np.asarray(x_table, float), np.asarray(y_table, float)
    z = np.asarray(z_table, float).reshape(len(x_table), len(y_table))
    i, j = np.broadcast_arrays(_steps(x, x_table), _steps(y, y_table))
    i0 = np.clip(np.floor(i).astype(int), 0, len(x_table) - 2)
    j0 = np.clip(np.floor(j).astype(int), 0, len(y_table) - 2)
    u, v = i - i0, j - j0
    return (1 - u) * (1 - v) * z[i0, j0] + (1 - u) * v * z[i0, j0 + 1] + u * (1 - v) * z[i0 + 1, j0] + u * v * z[i0 + 1, j0 + 1]


@form("y: the printed number")
def printed(*, y: Any) -> Any:
    """A number a paper prints that depends on nothing a question could change."""
    return np.asarray(y, float)
