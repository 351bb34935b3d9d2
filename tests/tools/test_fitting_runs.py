"""Reading tables of runs: synonyms, units, completion, problems by row and column, groups."""

import json
from pathlib import Path

import numpy as np
import pytest

from knowledge.errors import InputError
from tools.fitting._columns import recognise
from tools.fitting.runs import file_columns, parse_group, read_runs

ROWS = "params,tokens,loss\n1e8,2e9,3.1\n1e9,2e10,2.6\n"


def write(tmp_path: Path, text: str, name: str = "runs.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf8")
    return path


@pytest.mark.parametrize(
    ("header", "role", "scale"),
    [
        ("N", "params", 1),
        ("n_params", "params", 1),
        ("params_B", "params", 1e9),
        ("Params (M)", "params", 1e6),
        ("D", "tokens", 1),
        ("tokens_T", "tokens", 1e12),
        ("trainTokens", "tokens", 1),
        ("C", "flops", 1),
        ("compute_pf_days", "flops", 8.64e19),
        ("flops_e18", "flops", 1e18),
        ("val_loss", "loss", 1),
        ("loss_bits", "loss", np.log(2)),
        ("unique_tokens", "unique_tokens", 1),
    ],
)
def test_columns_by_synonym_and_suffix(header: str, role: str, scale: float) -> None:
    found = recognise(header)
    assert found is not None
    assert found[0] == role
    assert found[2] == pytest.approx(scale)


@pytest.mark.parametrize("header", ["note", "hparams", "loss_pile", "paramsx", "err_avg46"])
def test_other_columns_are_left_alone(header: str) -> None:
    assert recognise(header) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", ROWS),
        ("a.tsv", ROWS.replace(",", "\t")),
        ("b.csv", ROWS.replace(",", ";")),
        ("a.jsonl", '{"N": 1e8, "D": "2B", "loss": 3.1}\n{"N": "1B", "D": 2e10, "loss": 2.6}\n'),
        ("a.json", json.dumps([{"N": 1e8, "D": 2e9, "loss": 3.1}, {"N": 1e9, "D": 2e10, "loss": 2.6}])),
        ("c.csv", 'params_M,tokens_B,loss\n100,2,3.1\n"1,000",20,2.6\n'),
    ],
)
def test_formats_and_ways_of_writing_numbers(tmp_path: Path, name: str, text: str) -> None:
    table = read_runs(write(tmp_path, text, name))
    np.testing.assert_allclose(table["params"], [1e8, 1e9])
    np.testing.assert_allclose(table["tokens"], [2e9, 2e10])
    np.testing.assert_allclose(table["flops"], [1.2e18, 1.2e20])


def test_missing_one_of_three_is_completed_and_said(tmp_path: Path) -> None:
    table = read_runs(write(tmp_path, "C,N,loss\n1.2e18,1e8,3\n1.2e20,1e9,2.5\n"))
    np.testing.assert_allclose(table["tokens"], [2e9, 2e10])
    assert any("tokens computed from C = 6 N D" in str(p) for p in table.problems)
    half = read_runs(write(tmp_path, "C,N,loss\n1.2e18,1e8,3\n1.2e20,1e9,2.5\n"), flops_per_param_token=12)
    np.testing.assert_allclose(half["tokens"], [1e9, 1e10])


def test_problems_name_rows_and_columns_and_nothing_vanishes(tmp_path: Path) -> None:
    text = "n_params,tokens,val_loss,outlier\n1e8,2e9,3.1,0\nnan,2e9,3.0,0\n1e9,,2.6,0\n1e9,2e10,inf,0\n"
    text += "-1,2e10,2.5,0\n1e9,2e10,oops,0\n2e9,2e10,2.4,1\n"
    table = read_runs(write(tmp_path, text))
    assert table.rows.tolist() == [1]
    said = "\n".join(map(str, table.problems))
    for expected in (
        "row 2, column 'n_params': missing",
        "row 3, column 'tokens': missing",
        "row 4, column 'val_loss': infinite",
        "row 5, column 'n_params': zero or negative",
        "row 6, column 'val_loss': 'oops' is not a number",
        "row 7, column 'outlier': marked",
    ):
        assert expected in said
    aside = {row for p in table.problems if p.action == "set aside" for row in p.rows}
    assert aside == {2, 3, 4, 5, 6, 7}


def test_repeated_rows_are_kept_and_named(tmp_path: Path) -> None:
    table = read_runs(write(tmp_path, ROWS + "1e8,2e9,3.1\n"))
    assert len(table) == 3
    assert any(p.rows == (1, 3) and p.action == "kept" for p in table.problems)


def test_small_counts_raise_the_question_of_units(tmp_path: Path) -> None:
    path = write(tmp_path, "N,D,loss\n7,140,2.1\n13,260,2.0\n")
    assert any("millions or billions" in str(p) for p in read_runs(path).problems)
    np.testing.assert_allclose(read_runs(path, units={"params": "B", "tokens": "B"})["params"], [7e9, 1.3e10])


def test_groups_are_found_and_chosen(tmp_path: Path) -> None:
    text = "family,dataset,N,D,loss\na,x,1e8,2e9,3\na,y,1e8,2e9,3.2\nb,x,1e9,2e9,2.9\n"
    table = read_runs(write(tmp_path, text))
    assert len(table.groups()) == 3
    assert len(table.choose(parse_group(["family=a"]))) == 2
    assert len(table.choose(parse_group(["family=a,dataset=y"]))) == 1
    assert len(table.choose(parse_group(["y"]))) == 1
    with pytest.raises(InputError, match="no run has family=c"):
        table.choose({"family": "c"})


@pytest.mark.parametrize(("text", "match"), [("N,D,loss\n", "holds no runs"), ("N,D,loss\n1,2\n", "row 1 has 2 cells")])
def test_unreadable_tables_say_why(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        read_runs(write(tmp_path, text))


def test_missing_file_and_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_runs(tmp_path / "none.csv")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match="needs pyarrow"):
        read_runs(write(tmp_path, "x", "runs.parquet"))


def test_columns_of_a_file_can_be_attached_to_a_question(tmp_path: Path) -> None:
    assert file_columns(write(tmp_path, ROWS)) == {"params": ["1e8", "1e9"], "tokens": ["2e9", "2e10"], "loss": ["3.1", "2.6"]}
    with pytest.raises(InputError, match="cannot read"):
        file_columns(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("params;tokens;loss\n1.000.000;2,0e9;3,91\n2.000.000;4,0e9;3,5\n", [3.91, 3.5]),
        ('params,tokens,loss\n"1,000,000","2,000,000,000",3.91\n"2,000,000",4e9,3.5\n', [3.91, 3.5]),
        ("params\ttokens\tloss\n1e6\t2e9\t3,91\n2e6\t4e9\t3,5\n", [3.91, 3.5]),
    ],
)
def test_a_comma_between_digits_is_read_as_what_the_whole_table_says(tmp_path: Path, text: str, loss: list[float]) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text, encoding="utf8")
    table = read_runs(path)
    assert table["loss"].tolist() == loss
    assert table["params"].tolist() == [1e6, 2e6]
    assert table["tokens"].tolist() == [2e9, 4e9]
