"""Tables of runs: read from CSV, TSV, JSON lines, Parquet or a data frame, completed, checked row by row, split in groups."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from knowledge.errors import InputError
from tools.fitting._columns import GROUP_ROLES, SYNONYMS, TEXT_ROLES, decimal_commas, number, recognise, unit_scale, with_points

Floats = npt.NDArray[np.float64]
_BLOCK = 50_000  # rows converted at a time, so that a million rows never exist as text at once
_SHOWN = 8  # problems of one kind listed by row before the rest is counted


@dataclass(frozen=True)
class Problem:
    """Something about a row (1-based, header not counted) or a column, and what was done about it."""

    text: str
    column: str = ""
    rows: tuple[int, ...] = ()
    action: str = "noted"

    def __str__(self) -> str:
        listed = ", ".join(map(str, self.rows[:_SHOWN])) + (f" and {len(self.rows) - _SHOWN} more" if len(self.rows) > _SHOWN else "")
        where = f"row{'s' if len(self.rows) > 1 else ''} {listed}, " if self.rows else ""
        return f"{where}column {self.column!r}: {self.text} [{self.action}]" if self.column else f"{where}{self.text} [{self.action}]"


@dataclass(frozen=True)
class RunTable:
    """Runs with canonical columns (params, tokens, FLOP, loss in nats...): numbers in `numbers`, words in `words`.

    `rows` holds the row of the file each run came from; `names` the file's own column of each role.
    """

    source: str
    numbers: dict[str, Floats]
    words: dict[str, npt.NDArray[np.object_]]
    rows: npt.NDArray[np.int64]
    names: dict[str, str]
    problems: tuple[Problem, ...] = ()
    flops_per_param_token: float = 6.0
    group: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, role: str) -> Floats:
        if role not in self.numbers:
            raise InputError(
                role, f"the table {self.source} has no column for it", f"name one of: {', '.join(SYNONYMS.get(role, (role,))[:5])}"
            )
        return self.numbers[role]

    def __contains__(self, role: object) -> bool:
        return role in self.numbers

    def take(self, keep: npt.NDArray[Any], problem: Problem | None = None) -> RunTable:
        """The rows of a mask or index; `problem` records why the others went."""
        return replace(
            self,
            numbers={k: v[keep] for k, v in self.numbers.items()},
            words={k: v[keep] for k, v in self.words.items()},
            rows=self.rows[keep],
            problems=self.problems + ((problem,) if problem else ()),
        )

    def set_aside(self, bad: npt.NDArray[np.bool_], text: str, column: str = "") -> RunTable:
        """The table without some rows, saying which and why; itself when there are none."""
        if not bad.any():
            return self
        return self.take(~bad, Problem(text, column, tuple(int(r) for r in self.rows[bad]), "set aside"))

    def noting(self, *problems: Problem) -> RunTable:
        """The table with more notes."""
        return replace(self, problems=self.problems + problems)

    def groups(self) -> list[dict[str, str]]:
        """Each combination of family and dataset present, where there is more than one; [{}] otherwise."""
        roles = [role for role in GROUP_ROLES if role in self.words and len(set(self.words[role].tolist())) > 1]
        if not roles:
            return [{}]
        seen = dict.fromkeys(zip(*(self.words[role].tolist() for role in roles), strict=True))
        return [dict(zip(roles, map(str, combo), strict=True)) for combo in seen]

    def choose(self, group: Mapping[str, str]) -> RunTable:
        """The runs of one group; raises InputError naming the groups there are when none match."""
        keep = np.ones(len(self), bool)
        for column, value in group.items():
            role = self._group_role(column, value)
            keep &= np.array([str(word) == value for word in self.words[role]], bool)
        if not keep.any():
            raise InputError(
                "group", f"no run has {describe_group(group)}", "there are: " + "; ".join(map(describe_group, self.groups()[:12]))
            )
        return replace(self.take(keep), group=dict(group))

    def _group_role(self, column: str, value: str) -> str:
        found = recognise(column)
        role = column if column in self.words else (found[0] if found else column)
        if role in self.words:
            return role
        holders = [name for name, words in self.words.items() if value in words.tolist()] if not column else []
        if holders:
            return holders[0]
        raise InputError("group", f"the table has no text column {column!r}", f"it has {', '.join(self.words) or 'none'}")


def describe_group(group: Mapping[str, str]) -> str:
    """`family=a, dataset=b`."""
    return ", ".join(f"{key}={value}" for key, value in group.items()) or "all runs"


def parse_group(texts: Sequence[str]) -> dict[str, str]:
    """`["family=a,dataset=b"]` as a mapping; a bare value has an empty column and matches any text column."""
    pairs = [part.partition("=") for text in texts for part in text.split(",") if part.strip()]
    return {(left.strip() if sep else ""): (right.strip() if sep else left.strip()) for left, sep, right in pairs}


def read_runs(
    path: str | Path,
    *,
    units: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    flops_per_param_token: float = 6.0,
    points: bool = False,
) -> RunTable:
    """Runs from a file by its suffix. `units` gives units by role (`params: B`), `columns` the column of a role.

    C = k N D with `flops_per_param_token` k completes whichever of N, D and C is missing. `points`: runs to predict, which need no
    loss and of which none is set aside. Raises InputError when unreadable.
    """
    where = Path(path)
    try:
        header, blocks = _OPENERS.get(where.suffix.lower(), _open_csv)(where)
        return build_table(
            where.name, header, blocks, units=units, columns=columns, flops_per_param_token=flops_per_param_token, points=points
        )
    except OSError as error:
        raise InputError("runs", f"cannot read {str(path)!r}", error.strerror or "") from None
    except UnicodeDecodeError:
        raise InputError("runs", f"{where.name!r} is not a text file in UTF-8", "give CSV, TSV, JSON lines or .parquet") from None


def file_columns(path: str | Path) -> dict[str, list[Any]]:
    """A file's cells by column, unread: what `FitRequest.table` takes. Raises InputError when unreadable."""
    where = Path(path)
    try:
        header, blocks = _OPENERS.get(where.suffix.lower(), _open_csv)(where)
        rows = [row for block in blocks for row in block]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("runs", f"cannot read {str(path)!r}", getattr(error, "strerror", None) or "not a text file") from None
    return {name: [row[i] if i < len(row) else None for row in rows] for i, name in enumerate(header)}


Blocks = Iterator[Sequence[Sequence[Any]]]


def _open_csv(path: Path) -> tuple[list[str], Blocks]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        sample = stream.read(4096)
    delimiter = (
        "\t" if path.suffix.lower() == ".tsv" or "\t" in sample.split("\n", 1)[0] else ";" if ";" in sample.split("\n", 1)[0] else ","
    )

    def rows() -> Blocks:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            next(reader, None)
            commas: bool | None = None
            while block := list(islice(reader, _BLOCK)):
                if commas is None:
                    commas = decimal_commas(cell for row in block for cell in row)
                yield [[with_points(cell) for cell in row] if commas else row for row in block if row]

    with path.open(newline="", encoding="utf-8-sig") as stream:
        header = next(csv.reader(stream, delimiter=delimiter), [])
    return header, rows()


def _open_json_lines(path: Path) -> tuple[list[str], Blocks]:
    text = path.read_text(encoding="utf8").strip()
    try:
        records = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise InputError("runs", f"{path.name} is not JSON lines: {error.msg}", f"at line {error.lineno}") from None
    if not all(isinstance(record, dict) for record in records):
        raise InputError("runs", f"{path.name} holds something other than objects", "one JSON object a line")
    header = list(dict.fromkeys(key for record in records for key in record))
    return header, iter([[[record.get(key, "") for key in header] for record in records]])


def _open_parquet(path: Path) -> tuple[list[str], Blocks]:
    try:
        import pyarrow.parquet as pq  # pyright: ignore
    except ImportError:
        raise InputError("runs", "reading Parquet needs pyarrow, which is not installed", "pip install pyarrow, or give CSV") from None
    table: Any = pq.read_table(path)
    return list(table.column_names), iter([list(zip(*(column.to_pylist() for column in table.columns), strict=True))])


_OPENERS = {
    ".jsonl": _open_json_lines,
    ".json": _open_json_lines,
    ".ndjson": _open_json_lines,
    ".parquet": _open_parquet,
    ".pq": _open_parquet,
}


def _assign(header: Sequence[str], columns: Mapping[str, str]) -> tuple[dict[str, tuple[int, float]], list[Problem]]:
    """Role -> (column index, unit factor), and notes on columns that lost against a better name."""
    best: dict[str, tuple[int, int, float, str]] = {}
    notes: list[Problem] = []
    for index, name in enumerate(header):
        found = recognise(name)
        if found is None:
            continue
        role, rank, scale, unit = found
        if role in best and best[role][0] <= rank:
            notes.append(Problem(f"also looks like {role}; {header[best[role][1]]!r} is used", name))
            continue
        if role in best:
            notes.append(Problem(f"also looks like {role}; {name!r} is used", header[best[role][1]]))
        best[role] = (rank, index, scale, unit)
        if unit:
            notes.append(Problem(f"read as {role} in units of {unit}", name))
    for role, name in columns.items():
        if name not in header:
            raise InputError("column", f"there is no column {name!r}", f"columns: {', '.join(header[:20])}")
        best[role] = (0, header.index(name), 1.0, "")
    return {role: (entry[1], entry[2]) for role, entry in best.items()}, notes


def _to_numbers(cells: Sequence[Any], first_row: int, bad: dict[str, list[int]]) -> Floats:
    try:
        return np.array(cells, dtype=np.float64)  # the fast way, when every cell is a plain number
    except (ValueError, TypeError):
        pass
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        text = "" if cell is None else str(cell).strip()
        if text == "" or text.lower() in ("na", "none", "null", "-"):
            bad.setdefault("missing", []).append(first_row + i)
            continue
        try:
            out[i] = number({"true": "1", "false": "0"}.get(text.lower(), text))
        except ValueError:
            bad.setdefault(f"{text[:20]!r} is not a number", []).append(first_row + i)
    return out


def build_table(
    source: str,
    header: Sequence[str],
    blocks: Iterable[Sequence[Sequence[Any]]],
    *,
    units: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    flops_per_param_token: float = 6.0,
    points: bool = False,
) -> RunTable:
    """A checked and completed RunTable from a header and blocks of rows."""
    roles, notes = _assign(header, columns or {})
    scales = {role: scale for role, (_, scale) in roles.items()}
    for role, unit in (units or {}).items():
        scale = unit_scale(role, unit)
        if role not in roles or scale is None:
            raise InputError("unit", f"cannot read {role} in {unit!r}", "such as params=B, tokens=T, flops=exaflops, loss=bits")
        scales[role] = scale
    numbers, words, n_rows, cell_problems = _collect(header, roles, blocks)
    if n_rows == 0:
        raise InputError("runs", f"{source} holds no runs", "a header line and one line a run")
    for role, scale in scales.items():
        if role in numbers and scale != 1.0:
            numbers[role] = numbers[role] * scale
    table = RunTable(
        source,
        numbers,
        words,
        np.arange(1, n_rows + 1),
        {role: header[i] for role, (i, _) in roles.items()},
        tuple(notes + cell_problems),
        flops_per_param_token,
    )
    return _complete(table) if points else _check(_complete(table))


def _collect(
    header: Sequence[str], roles: Mapping[str, tuple[int, float]], blocks: Iterable[Sequence[Sequence[Any]]]
) -> tuple[dict[str, Floats], dict[str, npt.NDArray[np.object_]], int, list[Problem]]:
    parts: dict[str, list[Any]] = {role: [] for role in roles}
    bad: dict[str, dict[str, list[int]]] = {role: {} for role in roles}
    n_rows = 0
    for block in blocks:
        width = len(header)
        ragged = [i for i, row in enumerate(block) if len(row) != width]
        if ragged:
            raise InputError(
                "runs", f"row {n_rows + ragged[0] + 1} has {len(block[ragged[0]])} cells, the header {width}", "one cell a column"
            )
        cells = list(zip(*block, strict=True)) if block else [()] * width
        for role, (index, _) in roles.items():
            if role in TEXT_ROLES:
                parts[role].append([sys.intern(str(cell)) for cell in cells[index]])
            else:
                parts[role].append(_to_numbers(cells[index], n_rows + 1, bad[role]))
        n_rows += len(block)
    numbers = {role: np.concatenate(found) if found else np.zeros(0) for role, found in parts.items() if role not in TEXT_ROLES}
    words = {role: np.array([word for part in found for word in part], object) for role, found in parts.items() if role in TEXT_ROLES}
    problems = [Problem(text, header[roles[role][0]], tuple(rows)) for role, kinds in bad.items() for text, rows in kinds.items()]
    return numbers, words, n_rows, problems


def _complete(table: RunTable) -> RunTable:
    """Fill whichever of params, tokens and flops is missing from C = k N D, and say so."""
    numbers, k = dict(table.numbers), table.flops_per_param_token
    have = {role for role in ("params", "tokens", "flops") if role in numbers}
    if have == {"params", "tokens"}:
        numbers["flops"], made = k * numbers["params"] * numbers["tokens"], "flops"
    elif have == {"params", "flops"}:
        numbers["tokens"], made = numbers["flops"] / (k * numbers["params"]), "tokens"
    elif have == {"tokens", "flops"}:
        numbers["params"], made = numbers["flops"] / (k * numbers["tokens"]), "params"
    else:
        return table
    return replace(table, numbers=numbers).noting(Problem(f"{made} computed from C = {k:g} N D", action="completed"))


def _check(table: RunTable) -> RunTable:
    """Set aside rows that no law can take, each kind reported with its rows and column."""
    wanted = [role for role in ("params", "tokens", "flops", "loss") if role in table]
    for role in wanted:
        name = table.names.get(role, role)
        values = table[role]
        table = table.set_aside(np.isnan(values), "missing or not a number", name)
        table = table.set_aside(np.isinf(table[role]), "infinite", name)
        if role != "loss":
            table = table.set_aside(table[role] <= 0, "zero or negative", name)
    for role, text in (("outlier", "marked as an outlier by the source"), ("diverged", "marked as diverged")):
        if role in table:
            table = table.set_aside(np.nan_to_num(table[role]) > 0, text, table.names[role])
    if "params" in table and len(table) and float(np.median(table["params"])) < 1e3:
        table = table.noting(
            Problem(
                f"median {float(np.median(table['params'])):.3g} is small for a parameter count: "
                "is it in millions or billions? (params_B, or --unit params=B)",
                table.names.get("params", "params"),
            )
        )
    return _note_repeats(table)


def _note_repeats(table: RunTable) -> RunTable:
    keys = [table[role] for role in ("params", "tokens", "loss") if role in table]
    if len(keys) < 3 or len(table) < 2:
        return table
    order = np.lexsort(keys)
    same = np.ones(len(table) - 1, bool)
    for key in keys:
        same &= np.diff(key[order]) == 0
    repeated = np.zeros(len(table), bool)
    repeated[order[1:]] |= same
    repeated[order[:-1]] |= same
    if repeated.any():
        table = table.noting(Problem("same size, tokens and loss as another row", rows=tuple(table.rows[repeated].tolist()), action="kept"))
    if "flops" in table.names and "params" in table.names and "tokens" in table.names:
        k = table["flops"] / (table["params"] * table["tokens"])
        median = float(np.median(k))
        if not 0.8 < median / table.flops_per_param_token < 1.25:
            table = table.noting(
                Problem(f"compute is {median:.3g} N D in the median row, not {table.flops_per_param_token:g} N D", table.names["flops"])
            )
    return table


def for_size_and_tokens(table: RunTable) -> RunTable:
    """The runs an L(N, D) law may be fitted on: the best of each sweep, and no repeated data; says what was set aside."""
    if "best" in table and np.any(table["best"] > 0):
        table = table.set_aside(~(np.nan_to_num(table["best"]) > 0), "not the best of its sweep", table.names["best"])
    if "epochs" in table and np.any(table["epochs"] > 1) and np.sum(table["epochs"] <= 1) >= 6:
        table = table.set_aside(table["epochs"] > 1, "repeats its data (fit --form data_constrained to use it)", table.names["epochs"])
    return table


def clusters(table: RunTable) -> npt.NDArray[np.int64] | None:
    """Index of the training run each row is a point of, where rows are points along runs; None when each row is its own run."""
    if "step" not in table or "run" not in table.words:
        return None
    _, codes = np.unique(np.array([str(word) for word in table.words["run"]]), return_inverse=True)
    n_runs = int(codes.max()) + 1 if len(codes) else 0
    # A column `model` beside `step` may also just name each run: correlated points mean several rows a run.
    return codes if 2 <= n_runs <= 0.6 * len(table) and len(np.unique(table["step"])) > 1 else None
