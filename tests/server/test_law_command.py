from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from knowledge import LawBook
from knowledge.errors import InputError
from server.commands import law
from server.commands._numbers import parse_number, parse_value, split_assignment


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    parser = argparse.ArgumentParser()
    law.add(parser.add_subparsers())
    args = parser.parse_args(["law", *words])
    status = args.run(args)
    out = capsys.readouterr().out
    return status, json.loads(out) if "--json" in words else out


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e22", 1e22),
        ("7B", 7e9),
        ("300G", 3e11),
        ("1.5T", 1.5e12),
        ("4_096", 4096.0),
        ("1,000", 1000.0),
        ("-0.5", -0.5),
        ("40%", 0.4),
        ("1e22 FLOP", 1e22),
        ("1e22FLOPs", 1e22),
        ("12k", 12000.0),
    ],
)
def test_numbers_are_read_with_suffix_and_unit(text: str, value: float) -> None:
    assert parse_number("C", text, "FLOP") == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nan", "finite"),
        ("inf", "finite"),
        ("1e999", "finite"),
        ("many", "not a number"),
        ("300GB", "unit"),
        ("5 hours", "unit"),
        ("1e22 tokens", "unit"),
    ],
)
def test_what_is_no_number_or_another_unit_is_refused(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word):
        parse_number("C", text, "FLOP")


def test_assignments_and_lists() -> None:
    assert split_assignment("C = 1e22") == ("C", "1e22")
    assert parse_value("bits", "[4,8]") == [4.0, 8.0]
    for bad in ("C", "=3", "C="):
        with pytest.raises(InputError, match="name=value"):
            split_assignment(bad)


def test_eval_gives_raw_numbers_with_interval(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "eval", "besiroglu2024", "optimum", "C=1e22", "--json")
    assert status == 0
    assert out["values"]["N"] * out["values"]["D"] * 6 == pytest.approx(1e22)
    assert out["outputs"]["N"]["unit"] == "params"
    assert out["outputs"]["N"]["low"] < out["values"]["N"] < out["outputs"]["N"]["high"]
    assert out["inputs"] == {"C": 1e22}
    text = run(capsys, "eval", "besiroglu2024", "optimum", "compute_flops=10Z")[1]
    assert "-> N =" in text
    assert "Besiroglu" in text


def test_outside_the_region_is_a_flag_not_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "eval", "besiroglu2024", "optimum", "C=1e27", "--json")
    assert status == 0
    assert out["outside"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["optimum"], "needs C"),
        (["optimum", "C=nan"], "finite"),
        (["optimum", "C=1e22", "--variant", "nonsense"], "has no variant"),
        (["nonsense", "C=1e22"], "has no relation"),
        (["optimum", "Q=3"], "takes no input"),
        (["optimum", "C=5 hours"], "unit"),
        (["optimum", "C=1e22", "C=1e23"], "twice"),
    ],
)
def test_bad_input_each_has_its_own_message(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(capsys, "eval", "besiroglu2024", *words)


def test_show_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert "checks:" in run(capsys, "show", "besiroglu2024")[1]
    assert run(capsys, "show", "besiroglu2024", "--json")[1]["check_outcomes"]
    listed = {entry["id"] for entry in run(capsys, "list", "--json")[1]}
    assert listed == set(LawBook().ids())
    assert "besiroglu2024" in run(capsys, "list", "--variable", "tokens")[1]
    with pytest.raises(InputError, match="nearest"):
        run(capsys, "show", "besiroglu")


def test_check_passes_on_one_law_and_fails_on_a_wrong_number(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out = run(capsys, "check", "besiroglu2024", "--json")
    assert status == 0
    assert out["total"] == len(LawBook().get("besiroglu2024").checks) > 0
    extra = tmp_path / "extra.yaml"
    extra.write_text(
        "checks:\n- {relation: optimum, given: {C: 1e22}, expect: {N: 1}, rel_tol: 0.1}\n"
        "- {relation: optimum, given: {Z: 1e22}, expect: {N: 1}}\n"
    )
    status, out = run(capsys, "check", "besiroglu2024", "--file", str(extra), "--json")
    assert status == 1
    assert [entry["pass"] for entry in out["checks"]] == [False, False]
    assert out["checks"][0]["got"]["N"] > 1e9
    assert "takes no input" in out["checks"][1]["problem"]


def test_an_unreadable_file_of_checks_is_one_clear_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        run(capsys, "check", "--file", str(tmp_path / "none.yaml"))
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    with pytest.raises(InputError, match="not readable as YAML"):
        run(capsys, "check", "--file", str(bad))


def test_search_reaches_laws_and_papers_without_a_card(capsys: pytest.CaptureFixture[str]) -> None:
    hits = run(capsys, "search", "diffusion", "transformer", "size", "--json")[1]
    assert "liang2024_dit" in [hit["law"] for hit in hits[:3]]
    assert "(no card)" in run(capsys, "search", "milk")[1]
    assert "no law has these words" in run(capsys, "search", "zzzqqq")[1]
    with pytest.raises(InputError, match="limit"):
        run(capsys, "search", "loss", "--limit", "0")


def test_compare_shows_laws_on_one_axis_and_says_what_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "compare", "besiroglu2024", "hoffmann2022", "guo2017_calibration")[1]
    assert "left out: guo2017_calibration" in text
    data = run(capsys, "compare", "besiroglu2024", "hoffmann2022", "--axis", "C=1e21:1e23:3", "--json")[1]
    assert data["points"] == pytest.approx([1e21, 1e22, 1e23])
    assert {one["law"] for one in data["series"]} == {"besiroglu2024", "hoffmann2022"}
    for bad, word in (("C=3:1", "spans nothing"), ("C=1e20", "no axis"), ("Q=1:2", "takes 'Q'")):
        with pytest.raises(InputError, match=word):
            run(capsys, "compare", "besiroglu2024", "--axis", bad)


def test_bib_gives_bibtex(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "bib", "besiroglu2024")[1]
    assert text.startswith("@misc{besiroglu2024,")
    assert "eprint = {2404.10102}" in text
    assert run(capsys, "bib")[1].count("@misc{") == len(LawBook().ids())


@pytest.mark.parametrize("value", ["0", "-1e22"])
def test_a_budget_that_is_none_gives_an_error_not_nan(capsys: pytest.CaptureFixture[str], value: str) -> None:
    with pytest.raises(InputError):
        run(capsys, "eval", "besiroglu2024", "optimum", f"C={value}")
