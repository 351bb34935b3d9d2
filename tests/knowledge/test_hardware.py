"""Accelerators: every part is consistent, found by its usual names, and close to the shared fact table."""

import pytest
import yaml
from shared import shared_path

from knowledge.errors import InputError
from knowledge.hardware import accelerator, accelerators


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("H100", "h100-sxm"),
        ("8xH100 SXM5", "h100-sxm"),
        ("h100s", "h100-sxm"),
        ("NVIDIA H100 GPUs", "h100-sxm"),
        ("H100-SXM", "h100-sxm"),
        ("A100", "a100-80gb"),
        ("A100 40GB", "a100-40gb"),
        ("A100-SXM-80GB", "a100-80gb"),
        ("8x A100 80GB SXM", "a100-80gb"),
        ("4090", "rtx-4090"),
        ("RTX4090", "rtx-4090"),
        ("MI300X", "mi300x"),
        ("v5p", "tpu-v5p"),
        ("TPU v5p", "tpu-v5p"),
        ("trn1", "trainium1"),
        ("H200-SXM", "h200"),
        ("GB200 NVL72", "gb200"),
        ("h100-pcie", "h100-pcie"),
        ("L40S", "l40s"),
        ("V100", "v100"),
        ("mi250x", "mi250x"),
    ],
)
def test_spellings(spelling: str, expected: str) -> None:
    assert accelerator(spelling).id == expected


@pytest.mark.parametrize(("spelling", "near"), [("h1000", "h100"), ("mi300z", "mi300x"), ("rtx 4095", "rtx-4090")])
def test_unknown_names_suggest_the_nearest(spelling: str, near: str) -> None:
    with pytest.raises(InputError, match=near):
        accelerator(spelling)


@pytest.mark.parametrize("spelling", ["", "x" * 100_000, "teapot", "\n"])
def test_nonsense_is_one_short_line(spelling: str) -> None:
    with pytest.raises(InputError) as caught:
        accelerator(spelling)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_every_part_is_plausible() -> None:
    parts = accelerators()
    assert len(parts) >= 42
    for key, part in parts.items():
        assert part.id == key
        assert part.peak("bf16") > 1e13
        assert part.peak("fp8") >= part.peak("bf16")
        # every part since 2017 can do between 30 and 800 FLOP in the time it reads one byte
        assert 30 < part.peak("bf16") / part.memory_bandwidth_bytes_per_s < 800, key
        assert (part.price_low_usd_per_hour is None) == (part.price_high_usd_per_hour is None)
        if part.price_low_usd_per_hour is not None:
            assert 0 < part.price_low_usd_per_hour <= part.price_high_usd_per_hour
            assert part.price_low_usd_per_hour <= part.price_usd_per_hour <= part.price_high_usd_per_hour
            assert part.price_basis
            assert "unsourced" in part.price_basis or part.price_points, key
        assert {"peak_dense_flops", "memory", "network", "tdp_watts"} <= part.sources.keys()


def test_a_dtype_without_units_runs_at_the_next_wider_one() -> None:
    assert accelerator("a100-80gb").peak("fp8") == accelerator("a100-80gb").peak("bf16")
    assert accelerator("v100").peak("bf16") == 125e12
    assert accelerator("h100-sxm").peak("fp4") == accelerator("h100-sxm").peak("fp8")


def test_agrees_with_the_shared_fact_table() -> None:
    table = yaml.safe_load(shared_path("measured/accelerators.yaml").read_text(encoding="utf8"))["accelerators"]
    assert len(table) == 42
    for name, facts in table.items():
        part = accelerator(name)
        assert part.memory_bytes == pytest.approx(facts["memory_gb"] * 1e9)
        assert part.memory_bandwidth_bytes_per_s == pytest.approx(facts["memory_bandwidth_tb_s"] * 1e12)
        assert part.intra_node_bytes_per_s == pytest.approx(facts["intra_node"]["bandwidth_gb_s_per_direction"] * 1e9)
        assert part.peak_dense_flops == pytest.approx({dtype: value * 1e12 for dtype, value in facts["peak_dense_tflops"].items()})
