import pytest

from knowledge import InputError, MissingInput
from tools.registry import call


@pytest.mark.parametrize(
    ("params", "tokens", "bits", "fraction"),
    [(1e9, 1e11, 4, 0.2808), (3.96e8, 1e12, 4, 0.4542), (7.4e7, 1e10, 3, 0.3188), (7.59e8, 1e11, 4, 0.299)],
)
def test_the_share_is_the_papers(params: float, tokens: float, bits: float, fraction: float) -> None:
    result = call("qat", {"params_total": params, "tokens": tokens, "weight_bits": bits})
    assert result.values["qat_fraction"].value == pytest.approx(fraction, rel=2e-3)
    assert result.values["qat_tokens"].value == pytest.approx(fraction * tokens, rel=2e-3)
    low, high = result.values["qat_fraction"].low, result.values["qat_fraction"].high
    assert low is not None
    assert high is not None
    assert 0 <= low < fraction < high <= 1


def test_share_rises_with_tokens_and_falls_with_bits_and_size() -> None:
    def share(**fields: float) -> float:
        return call("qat", {"params_total": 1e9, "tokens": 1e11, "weight_bits": 4, **fields}).values["qat_fraction"].number

    assert share(tokens=1e12) > share() > share(params_total=1e10)
    assert share(weight_bits=2) > share() > share(weight_bits=6)


def test_inverse_returns_the_tokens_the_share_was_best_for() -> None:
    share = call("qat", {"params_total": 1e9, "tokens": 1e11, "weight_bits": 4}).values["qat_fraction"].number
    back = call("qat", {"params_total": 1e9, "weight_bits": 4, "qat_fraction": share})
    assert back.values["tokens"].value == pytest.approx(1e11, rel=1e-9)


def test_a_budget_alone_is_allocated_first_and_says_so() -> None:
    result = call("qat", {"compute_flops": 1e21, "weight_bits": 4})
    assumed = {item.field: item.value for item in result.assumptions}
    assert 6 * assumed["params_total"] * assumed["tokens"] == pytest.approx(1e21, rel=1e-9)  # type: ignore[operator]
    assert result.values["full_precision_tokens"].number + result.values["qat_tokens"].number == pytest.approx(assumed["tokens"])  # type: ignore[arg-type]


def test_paretoq_by_name_gives_its_tenth_with_the_other_law_beside_it() -> None:
    result = call("qat", {"params_total": 1.25e8, "tokens": 1e11, "weight_bits": 4, "law": "liu2025_paretoq"})
    assert result.values["qat_fraction"].value == pytest.approx(0.1)
    assert result.alternatives[0].values["qat_fraction"].value == pytest.approx(0.40, abs=0.005)


def test_the_width_follows_from_a_memory() -> None:
    result = call("qat", {"params_total": 8e9, "tokens": 1e12, "memory_bytes": 3.1e9})
    assert result.values["weight_bits"].value == 3.0
    assert "weight_bits" in {item.field for item in result.assumptions}


@pytest.mark.parametrize("fields", [{"weight_bits": 4}, {"params_total": 1e9, "weight_bits": 4}])
def test_what_is_missing_is_asked_back(fields: dict[str, float]) -> None:
    with pytest.raises(MissingInput):
        call("qat", fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"params_total": 1e9, "tokens": -1, "weight_bits": 4},
        {"params_total": 1e9, "tokens": float("nan"), "weight_bits": 4},
        {"params_total": 1e9, "tokens": 1e11, "weight_bits": 16},
        {"params_total": 1e9, "tokens": 1e8, "weight_bits": 4},
        {"params_total": 1e12, "tokens": 1e13, "memory_bytes": 1e9},
        {"params_total": 1e9, "tokens": 1e11, "law": "nosuchlaw2020", "weight_bits": 0},
    ],
)
def test_bad_input_is_one_clear_line(fields: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        call("qat", fields)
    assert "\n" not in str(error.value)
