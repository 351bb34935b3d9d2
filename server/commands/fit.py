"""`flopwise fit`, `flopwise forecast`, `flopwise design`: from tables of runs to laws, forecasts and plans of runs."""

from __future__ import annotations

import argparse
import os
from typing import Any

# Batched solving runs one thread a core itself; BLAS threads on top of that only get in its way. Set before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def add(subparsers: Any) -> None:
    """Register the three commands."""
    fit = subparsers.add_parser("fit", help="fit a law to a table of runs")
    _common(fit)
    fit.add_argument("--form", default="chinchilla", help="form to fit (default chinchilla); `flopwise fit --list` shows all")
    fit.add_argument("--list", action="store_true", dest="list_forms", help="list the forms that can be fitted")
    fit.add_argument("--bootstrap", type=int, default=1000, metavar="B", help="resamples for standard errors (default 1000; 0 for none)")
    fit.add_argument(
        "--resample",
        choices=("row", "run", "residual", "sandwich"),
        help="what is resampled (default: runs where rows are points along runs)",
    )
    fit.add_argument("--out", metavar="LAW.yaml", help="write the fitted law as a law card, usable with --law")
    fit.add_argument("--report", metavar="FILE.html", help="write a self-contained report with figures")
    fit.add_argument("--diagnose", action="store_true", help="print warnings, the three approaches, sensitivity and profile intervals")
    fit.set_defaults(run=run_fit)
    forecast = subparsers.add_parser("forecast", help="predict larger runs from a table of smaller ones")
    _common(forecast)
    forecast.add_argument("--at", required=True, metavar="POINTS.csv", help="table of the runs to predict (params, tokens, flops)")
    forecast.add_argument("--form", help="one form instead of the ensemble")
    forecast.set_defaults(run=run_forecast)
    design = subparsers.add_parser("design", help="choose which small runs to do under a budget")
    design.add_argument("--budget", required=True, metavar="FLOP", help="compute for all runs together, such as 1e21")
    design.add_argument("--law", metavar="ID|FILE", default="besiroglu2024", help="law whose form and coefficients plan the runs")
    design.add_argument("--target", metavar="FLOP", help="compute of the run to be predicted (default 100 x the budget)")
    design.add_argument(
        "--want", choices=("loss", "params", "coefficients"), default="loss", help="what to know best (default loss at the target)"
    )
    design.add_argument("--noise", type=float, default=0.01, help="standard deviation of log loss between runs (default 0.01)")
    design.add_argument("--json", metavar="FILE", help="write the plan as JSON; - for standard output")
    design.set_defaults(run=run_design)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="?", metavar="RUNS", help="CSV, TSV, JSON lines or Parquet, one run a row")
    parser.add_argument(
        "--group", action="append", default=[], metavar="COLUMN=VALUE", help="fit only these runs, such as family=gemma,dataset=c4"
    )
    parser.add_argument(
        "--unit", action="append", default=[], metavar="ROLE=UNIT", help="unit of a column, such as params=B, tokens=T, flops=exaflops"
    )
    parser.add_argument("--column", action="append", default=[], metavar="ROLE=NAME", help="which column is which, such as loss=loss_pile")
    parser.add_argument("--flops-per-param-token", type=float, default=6.0, metavar="K", help="C = K N D (default 6)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--workers", type=int, metavar="W", help="threads or processes (default: all cores; the answer does not depend on it)"
    )
    parser.add_argument("--json", metavar="FILE", help="write everything as JSON; - for standard output")


def run_fit(options: argparse.Namespace) -> int:
    """Fit each chosen group. Exit status 0 when a law came out, 1 when the runs determine none, 2 for bad input."""
    from server.commands._fit import fit_command

    return fit_command(options)


def run_forecast(options: argparse.Namespace) -> int:
    """Forecast every row of the points table."""
    from server.commands._forecast import forecast_command

    return forecast_command(options)


def run_design(options: argparse.Namespace) -> int:
    """Plan runs under a budget."""
    from server.commands._design import design_command

    return design_command(options)
