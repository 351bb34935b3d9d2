"""Serving times: the rooflines move the way the physics says, and the vectorised form equals the scalar one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.hardware import accelerator
from knowledge.shapes import model
from tools.systems.kv_cache import kv_bytes, kv_bytes_per_token, serving_shape, weight_bytes
from tools.systems.serving_case import precision_for, replica, stack
from tools.systems.serving_efficiency import efficiencies, serving_family
from tools.systems.serving_load import batch_limit, within_latency
from tools.systems.serving_time import held_sequences, prefill_seconds, request_seconds, step_seconds, touched_share

H100 = accelerator("h100-sxm")
EFF = efficiencies("h100-sxm", "tensorrt-llm")


def one(name: str = "llama-3-8b", bits: float = 16, ranks: float = 1.0, **options: float):
    return replica(model(name), H100, precision_for(bits, H100), ranks, **options)


def test_cache_of_known_models() -> None:
    assert kv_bytes_per_token(model("llama-2-7b")) == 2 * 32 * 32 * 128 * 2  # multi-head: 512 KiB a token
    assert kv_bytes_per_token(model("llama-3-70b")) == 2 * 80 * 8 * 128 * 2
    assert kv_bytes_per_token(model("deepseek-v3")) == (512 + 64) * 61 * 2  # DeepSeek-V2, section 2.1: latent vector and rotary key
    assert kv_bytes(model("gpt-oss-120b"), 100_000) == 2 * 8 * 64 * 2 * (18 * 100_000 + 18 * 128)


def test_weights_of_known_models() -> None:
    assert weight_bytes(model("llama-3-70b"), 16) == pytest.approx(141.1e9, rel=1e-3)
    tables = 2 * 128256 * 4096
    assert weight_bytes(model("llama-3-8b"), 4) == pytest.approx((8.03e9 - tables) / 2 + tables * 2, rel=1e-3)
    assert serving_shape(model("mixtral-8x7b")).params == pytest.approx(46.7e9, rel=1e-3)


@given(batch=st.floats(1, 512), context=st.floats(1, 50_000))
@settings(max_examples=60, deadline=None)
def test_a_step_grows_with_batch_and_context_and_never_beats_the_bandwidth(batch: float, context: float) -> None:
    device = one()
    base = step_seconds(device, EFF, batch, context)["total"]
    assert step_seconds(device, EFF, batch * 1.5, context)["total"] > base
    assert step_seconds(device, EFF, batch, context * 1.5)["total"] > base
    assert base > device.always_bytes / device.bandwidth


def test_batch_one_is_bound_by_weights_and_large_batches_by_arithmetic() -> None:
    device = one()
    small, large = step_seconds(device, EFF, 1.0, 100.0), step_seconds(device, EFF, 2000.0, 100.0)
    assert small["read"] > 20 * small["products"]
    assert large["products"] > large["read"]


def test_narrow_weights_help_decode_and_experts_are_touched_as_tokens_choose_them() -> None:
    assert step_seconds(one(bits=8), EFF, 1.0, 100.0)["total"] < 0.75 * step_seconds(one(), EFF, 1.0, 100.0)["total"]
    assert touched_share(8.0, 2.0, 1.0) == pytest.approx(0.25)
    assert touched_share(8.0, 2.0, 2.0) == pytest.approx(1 - 0.75**2)
    assert touched_share(128.0, 8.0, 1e6) == pytest.approx(1.0)
    assert touched_share(1.0, 1.0, 3.0) == 1.0


def test_tensor_parallelism_speeds_one_user_less_than_linearly() -> None:
    alone, four = (step_seconds(one("llama-3-8b", ranks=r), EFF, 1.0, 100.0)["total"] for r in (1.0, 4.0))
    assert alone / 4 < four < alone


def test_prefill_is_superlinear_in_length_and_cheaper_with_a_cached_prefix() -> None:
    device = one()
    assert prefill_seconds(device, EFF, 1.0, 64_000.0) > 2 * prefill_seconds(device, EFF, 1.0, 32_000.0)
    whole, rest = prefill_seconds(device, EFF, 1.0, 32_000.0), prefill_seconds(device, EFF, 1.0, 8_000.0, 24_000.0)
    assert rest < 0.6 * whole
    split = prefill_seconds(device, EFF, 1.0, 24_000.0) + rest  # two halves cost what the whole costs, but for overheads
    assert split == pytest.approx(whole, rel=0.03)


def test_memory_limits_the_batch() -> None:
    device = one("llama-3-70b", ranks=2.0)
    held = held_sequences(device, 1000.0)
    assert held == pytest.approx((160e9 * 0.92 - 141.1e9) / (327_680 * 1000), rel=0.01)
    assert batch_limit(one("llama-3-70b"), 1000.0, 1.0) == 1.0  # does not fit: the caller checks
    copied = replica(model("llama-3-70b"), H100, precision_for(16, H100), 16.0)
    assert held_sequences(copied, 1000.0) == pytest.approx((16 * 80e9 * 0.92 - 141.1e9) / (2 * 327_680 * 1000), rel=0.01)


def test_the_batch_within_a_latency_is_the_largest_one() -> None:
    device, limit = one(), 0.02
    batch = float(within_latency(device, EFF, limit, np.float64(2000.0), 512.0, 256.0))
    assert request_seconds(device, EFF, batch, 512.0, 256.0) / 256 == pytest.approx(limit, rel=0.01)
    assert within_latency(device, EFF, 1e-9, np.float64(2000.0), 512.0, 256.0) == pytest.approx(1.0, abs=0.01)
    assert within_latency(device, EFF, 1e9, np.float64(2000.0), 512.0, 256.0) == 2000.0


def test_arrays_and_scalars_agree() -> None:
    devices = [one(), one("mixtral-8x7b", 8, 2.0), one("deepseek-v3", 8, 8.0, spread=1.0)]
    together = step_seconds(stack(devices), EFF, np.array([1.0, 16.0, 256.0]), 2000.0)["total"]
    apart = [step_seconds(device, EFF, batch, 2000.0)["total"] for device, batch in zip(devices, (1.0, 16.0, 256.0), strict=True)]
    assert together == pytest.approx(apart, rel=1e-12)


def test_memory_scales_out_only_with_more_ranks() -> None:
    assert held_sequences(replace(one(), stages=2.0), 1000.0) > 2 * held_sequences(one(), 1000.0)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("vLLM", "vllm"),
        ("vLLM 0.9.0.1 ROCm 6.4.1", "vllm-2025"),
        ("vLLM 0.4.2", "vllm"),
        ("TensorRT-LLM", "tensorrt-llm"),
        ("TensorRT 10.11, CUDA 12.9", "tensorrt-llm"),
        ("Deepspeed-MII", "deepspeed-mii"),
        ("Deepspeed", "deepspeed"),
        ("llama.cpp (layer split)", "llama.cpp"),
        ("gpt-fast torch.compile", "torch-compile"),
        ("Transformers NeuronX", "neuron"),
        ("NIM 1.8.0 (TensorRT-LLM)", "tensorrt-llm"),
        ("sambaflow", "other"),
        ("", "other"),
    ],
)
def test_families(name: str, family: str) -> None:
    assert serving_family(name) == family


@pytest.mark.parametrize(
    ("bits", "part", "label", "dtype", "unpacked"),
    [
        (16, "h100-sxm", "bf16", "bf16", False),
        (8, "h100-sxm", "fp8", "fp8", False),
        (8, "a100-80gb", "fp8", "bf16", True),
        (4, "b200", "fp4", "fp4", False),
        (4, "h100-sxm", "int4", "bf16", True),
        (8, "h100-sxm", "int8", "bf16", True),
        (4.85, "rtx-4090", "q4_k_m", "bf16", True),
    ],
)
def test_precision(bits: float, part: str, label: str, dtype: str, unpacked: bool) -> None:
    how = precision_for(bits, accelerator(part), label=label)
    assert (how.dtype, how.unpacked) == (dtype, unpacked)
    assert how.kv_bits == (8 if dtype in ("fp8", "fp4") else 16)
    assert math.isclose(how.stored_bits, 4.5 if bits == 4 else bits)
