"""Step time and memory of layouts: identities, directions, and arrays that equal scalars."""

import numpy as np
import pytest

from knowledge.shapes import model
from tools.systems.efficiency import efficiencies
from tools.systems.job import FIELDS, Job, stack
from tools.systems.memory import PARTS, training_memory
from tools.systems.planning import cluster, training_job
from tools.systems.step_time import components, step_seconds

EFF = efficiencies("hopper", "megatron-core")


def job(**changes: float) -> Job:
    layout = {"tensor": 4.0, "pipeline": 4.0, "data": 8.0, **{k: v for k, v in changes.items() if k not in ("seq", "batch")}}
    devices = layout["tensor"] * layout["pipeline"] * layout["data"] * layout.get("context", 1.0)
    return training_job(model("llama-3-70b"), cluster("h100-sxm", devices), changes.get("seq", 8192.0), changes.get("batch", 256.0), layout)


def seconds(item: Job) -> float:
    return float(step_seconds(item, EFF))


def test_parts_add_up_to_the_total() -> None:
    parts = components(job(), EFF)
    assert sum(float(value) for name, value in parts.items() if name != "total") == pytest.approx(float(parts["total"]))
    assert all(float(value) >= 0 for value in parts.values())


def test_an_array_of_jobs_equals_one_by_one() -> None:
    jobs = [job(), job(tensor=8.0), job(pipeline=1.0, shard=3.0), job(recompute=2.0), job(context=2.0)]
    together = np.asarray(step_seconds(stack(jobs), EFF))
    assert together == pytest.approx([seconds(item) for item in jobs], rel=1e-12)
    assert np.asarray(training_memory(stack(jobs))["total"]) == pytest.approx([float(training_memory(item)["total"]) for item in jobs])


def test_bubble_falls_with_interleaving_and_grows_with_stages() -> None:
    plain, split = components(job(), EFF)["pipeline_bubble"], components(job(virtual=4.0), EFF)["pipeline_bubble"]
    assert float(split) < 0.3 * float(plain)
    assert float(components(job(pipeline=1.0), EFF)["pipeline_bubble"]) == 0.0


@pytest.mark.parametrize(
    ("worse", "better"), [({"recompute": 2.0}, {}), ({"virtual": 1.0}, {"virtual": 4.0}), ({"batch": 512.0}, {"batch": 256.0})]
)
def test_directions(worse: dict[str, float], better: dict[str, float]) -> None:
    assert seconds(job(**worse)) > seconds(job(**better))


def test_no_estimate_passes_the_peak() -> None:
    shape = model("llama-3-70b")
    from tools.systems.flops import flops_per_token

    useful = flops_per_token(shape, 8192).model * 256 * 8192 / (128 * 989.4e12)
    assert useful < seconds(job()) < 8 * useful


def test_tensor_parallel_across_nodes_is_slow() -> None:
    slow = 6.25e9  # four 100 Gb/s ports for a node of eight
    inside, across = (components(job(tensor=size).with_(link_out=slow), EFF) for size in (8.0, 16.0))
    assert float(across["tensor_parallel"]) > 2 * float(inside["tensor_parallel"])


def test_states_take_18_bytes_a_parameter_without_sharding() -> None:
    parts = training_memory(job(shard=0.0), {"states": 1.0, "activations": 1.0, "fixed_bytes": 0.0, "fixed_early_bytes": 0.0, "slack": 1.0})
    held = float(parts["weights"]) + float(parts["gradients"]) + float(parts["optimizer"])
    assert held == pytest.approx(18 * 70.55e9 / 16, rel=0.002)


def test_each_zero_stage_saves_memory() -> None:
    needs = [float(training_memory(job(shard=stage))["total"]) for stage in (0.0, 1.0, 2.0, 3.0)]
    assert needs[0] > needs[1] > needs[2] > needs[3]


def test_activations_follow_korthikanti() -> None:
    # plain GPT layer without flash: s b d (34 + 5 h s / d) bytes; our 32 leaves dropout masks out (arXiv:2205.05198, eq. 1)
    shape = model("gpt-3-175b")
    one = training_job(shape, cluster("a100-80gb", 1), 2048.0, 1.0, {"tensor": 1.0, "data": 1.0}).with_(flash=0.0, sequence_parallel=0.0)
    kept = float(
        training_memory(one, {"states": 1.0, "activations": 1.0, "fixed_bytes": 0.0, "fixed_early_bytes": 0.0, "slack": 1.0})["activations"]
    )
    expected = 96 * 2048 * 12288 * (34 + 5 * 96 * 2048 / 12288)
    assert kept == pytest.approx(expected, rel=0.03)


def test_memory_parts_are_all_there() -> None:
    parts = training_memory(job())
    assert sum(float(parts[name]) for name in PARTS) == pytest.approx(float(parts["total"]))
    assert set(FIELDS) >= {"tensor", "pipeline", "data", "context", "expert"}
