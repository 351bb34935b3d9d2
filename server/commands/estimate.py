"""`flopwise estimate` and `flopwise calibrate`: predict tables of measured rows, and make a profile of one's own cluster."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.systems.profile import Profile

KINDS = ("training", "serving", "runs")


def add(subparsers: Any) -> None:
    """Register both commands."""
    estimate = subparsers.add_parser("estimate", help="predict step time, serving throughput or hours of the rows of a table")
    estimate.add_argument("kind", choices=KINDS, help="what the rows are: training steps, serving points or whole runs")
    estimate.add_argument("--csv", required=True, metavar="ROWS.csv", help="rows; columns that hold measured answers are never read")
    estimate.add_argument("--out", metavar="PREDICTIONS.csv", help="the rows with predicted columns (default: standard output)")
    estimate.add_argument("--profile", metavar="PROFILE.json", help="a profile of the cluster, made by `flopwise calibrate`")
    estimate.set_defaults(run=run_estimate)
    calibrate = subparsers.add_parser("calibrate", help="make a profile of a cluster from its measured training rows")
    calibrate.add_argument("rows", metavar="ROWS.csv", help="training rows with a measured step_time_s")
    calibrate.add_argument("--out", metavar="PROFILE.json", default="profile.json", help="where to write it (default profile.json)")
    calibrate.add_argument("--name", help="name of the cluster (default: the table's name)")
    calibrate.set_defaults(run=run_calibrate)


def run_estimate(options: argparse.Namespace) -> int:
    """Predict every row of a table. Exit status 0 when at least one row was predicted, else 1."""
    from tools.systems.tables import COLUMNS, predict_table

    header, rows = read_rows(options.csv)
    profile = load_profile(options.profile) if options.profile else None
    cells = predict_table(options.kind, rows, profile)
    added = [name for name in COLUMNS[options.kind] if name not in header]
    _write(options.out, [*header, *added], [{**row, **cell} for row, cell in zip(rows, cells, strict=True)])
    failed = sum(bool(cell["error"]) for cell in cells)
    if options.out:
        print(
            f"{len(rows) - failed} of {len(rows)} rows predicted, written to {options.out}"
            + (f"; {failed} say why not in column `error`" if failed else "")
        )
    return 0 if failed < len(rows) or not rows else 1


def load_profile(path: str) -> Profile:
    """A profile written by `flopwise calibrate`. Raises InputError when the file is missing or is no profile."""
    import json

    from knowledge.errors import InputError
    from tools.systems.profile import profile_from

    try:
        data = json.loads(Path(path).read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError("profile", f"cannot read {path}: {error}") from None
    return profile_from(data if isinstance(data, dict) else {})


def run_calibrate(options: argparse.Namespace) -> int:
    """Write a profile and say what it did to the error of the rows themselves, each predicted by the others."""
    import json

    from knowledge.errors import InputError
    from tools.systems.tables import calibrate

    _, rows = read_rows(options.rows)
    found = calibrate(rows, options.name or Path(options.rows).stem)
    try:
        Path(options.out).write_text(json.dumps(found.profile.to_json()) + "\n", encoding="utf8")
    except OSError as error:
        raise InputError("out", f"cannot write {options.out}: {error.strerror}") from None
    print(f"{found.used} rows used, {found.skipped} without a measured step time or a known part left out.")
    print(
        f"Median error of step time: {found.error_before:.1%} by the general model, "
        f"{found.error_after:.1%} with the other configurations known."
    )
    print(f"Profile written to {options.out}; use it with `flopwise estimate training --profile {options.out}`.")
    return 0


def read_rows(path: str) -> tuple[list[str], list[dict[str, str]]]:
    """Header and rows of a CSV file. Raises InputError when it cannot be read or has no header."""
    import csv

    from knowledge.errors import InputError

    try:
        with Path(path).open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            reader = csv.DictReader(lines, restkey="", restval="")
            header = [name for name in reader.fieldnames or [] if name]
            rows = [{name: row.get(name) or "" for name in header} for row in reader]
    except OSError as error:
        raise InputError("csv", f"cannot read {path}: {error.strerror}") from None
    except csv.Error as error:
        raise InputError("csv", f"{path} is no CSV table: {error}") from None
    if not header:
        raise InputError("csv", f"{path} is empty", "the first line must name the columns")
    if any("\ufffd" in name or "\0" in name for name in header):
        raise InputError("csv", f"{path} is not a text file", "the first line must name the columns")
    return header, rows


def _write(path: str | None, header: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    import csv
    import sys

    from knowledge.errors import InputError

    if path is None:
        writer = csv.DictWriter(sys.stdout, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    try:
        with Path(path).open("w", encoding="utf8", newline="") as lines:
            writer = csv.DictWriter(lines, header, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise InputError("out", f"cannot write {path}: {error.strerror}") from None
