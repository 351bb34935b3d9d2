"""Rows of a measurement table (the schema of training_throughput.csv) as jobs, with every gap filled by a stated assumption.

Columns that hold a measured answer are never looked at: `strip_answers` removes them before anything else happens.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from knowledge.errors import InputError
from knowledge.hardware import Accelerator, accelerator
from knowledge.shapes import ModelShape, model
from tools.systems.design import design_widths
from tools.systems.flops import count_params
from tools.systems.job import Job
from tools.systems.parts import CORES, generation_of, sustained
from tools.systems.planning import model_fields

# answers, and columns computed from them
ANSWERS: frozenset[str] = frozenset(
    {
        "step_time_s",
        "tokens_per_s_per_gpu",
        "tflops_per_gpu",
        "tflops_kind",
        "mfu",
        "hfu",
        "peak_mem_gb",
        "n_repeats",
        "spread_pct",
        "derived",
        "quality",
        "flops_convention",
        "notes",
        "peak_tflops_of_source",
        "accelerator_hours",
        "days",
        "reported_cost_usd",
        "energy_mwh",
        "co2_t",
        "reported_mfu",
        "output_tokens_per_s_total",
        "output_tokens_per_s_per_gpu",
        "total_tokens_per_s_total",
        "ttft_ms",
        "tpot_ms",
        "latency_s",
        "power_w",
    }
)
_FAMILIES: tuple[tuple[str, str], ...] = (
    (r"maxtext gpu", "xla-gpu"),
    (r"maxtext|pax|jax|xla", "xla"),
    (r"neuron", "neuron"),
    (r"composer|foundry", "composer"),
    (r"torchtitan|fsdp|lit-gpt|litgpt|torch\.compile|llm\.c|nanochat", "fsdp"),
    (r"internevo|colossal|nanotron", "fsdp"),
    (r"zero-3|zero3", "zero3"),
    (r"deepspeed|gpt-neox|metaseq", "deepspeed"),
    (r"megatron-lm|ptd-p|megatron-llama", "megatron-lm"),
    (r"nemo|megatron-core|megatron-bridge|nvidia|nemo|ngc|megatron|hai-llm|meta in-house|primus|mxnet", "megatron-core"),
    (r"pytorch 2", "other"),
)


@dataclass
class RowJob:
    """A row as a job: the group keys its efficiencies hang on, and what was assumed."""

    job: Job
    generation: str
    family: str
    recipe: str  # of the matmul dtype: 16, fp8, mxfp8, int8, fp4
    part: Accelerator
    assumptions: list[str] = field(default_factory=list)


def strip_answers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without the columns that hold a measured answer."""
    return {key: value for key, value in row.items() if key not in ANSWERS}


def number(row: Mapping[str, Any], key: str) -> float | None:
    """A positive finite number of a row, or None for what is missing, malformed, negative, NaN or infinite."""
    try:
        value = float(str(row.get(key, "")).strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def text(row: Mapping[str, Any], key: str) -> str:
    """A row's text, stripped and lower-case; empty for what is missing."""
    value = str(row.get(key) or "").strip().lower()
    return "" if value == "nan" else value


def family_of(framework: str) -> str:
    """Family of training frameworks that share kernels and overlap habits."""
    return next((name for pattern, name in _FAMILIES if re.search(pattern, framework.lower())), "other")


def dtype_of(precision: str) -> tuple[str, str]:
    """(dtype of the matrix products, recipe) of a precision label."""
    label = precision.lower()
    if "fp4" in label and "fp8" not in label:
        return "fp4", "fp4"
    if "mxfp8" in label:
        return "fp8", "mxfp8"
    if "fp8" in label and "int8" not in label:
        return "fp8", "fp8"
    if "int8" in label:
        return "int8", "int8"
    return ("fp16" if label.startswith("fp16") else "bf16"), "16"


def network_bytes(label: str, part: Accelerator) -> tuple[float, float]:
    """(bytes/s between nodes per accelerator, accelerators per node) from an interconnect's name; the part's usual rate when
    it does not tell.
    """
    label = label.lower()
    node = 4.0 if re.search(r"node of 4|v100 nodes \(4", label) else min(float(part.fast_domain_size), 8.0)
    per_gpu = re.search(r"(\d+)\s*gb/?s?(?:/s)?[^,;]*per (?:gpu|accelerator)", label)
    if per_gpu:
        return float(per_gpu[1]) / 8 * 1e9, node
    many = re.search(r"(\d+)\s*x\s*(\d+)\s*gb[^,;]*", label)
    if many and "nvlink" not in label and "tb/s" not in label:
        return float(many[1]) * float(many[2]) / 8 / node * 1e9, node
    hdr = re.search(r"(\d+)x\s*hdr200", label)
    if hdr or "hdr" in label:
        return 25e9, node
    per_node = re.search(r"(\d+)\s*gb(?:ps|/s)[^,;]*per node", label)
    if per_node:
        return float(per_node[1]) / 8 / node * 1e9, node
    return part.inter_node_bytes_per_s, node


def row_job(row: Mapping[str, Any]) -> RowJob:
    """The job of a row. Raises InputError where not even an accelerator and a model size are told."""
    row = strip_answers(row)
    assumed: list[str] = []
    part = accelerator(str(row.get("accelerator") or ""))
    family = family_of(text(row, "framework"))
    dtype, recipe = dtype_of(text(row, "precision"))
    cores = float(CORES.get(part.id, 1))
    fields = _model_fields(row, assumed)
    devices = (number(row, "n_accelerators") or _assume(assumed, "n_accelerators", float(part.fast_domain_size))) * cores
    seq = fields["seq"]
    layout = _layout_fields(row, family, devices, part.memory_bytes / cores, assumed)
    batch = max(1.0, (number(row, "global_batch_tokens") or _assume(assumed, "global_batch_tokens", max(4e6, seq * layout["data"]))) / seq)
    link_out, node = network_bytes(text(row, "interconnect"), part)
    domain = float(part.fast_domain_size) if part.fast_domain_size > 8 else node
    old = family in ("megatron-lm", "deepspeed", "zero3") and recipe == "16" and generation_of(part.id) in ("volta", "ampere")
    flash = 0.0 if old and "llama" not in text(row, "framework") else 1.0
    generic = family in ("fsdp", "composer", "other") and generation_of(part.id) in ("hopper", "blackwell")
    steady = sustained(part)
    lora = text(row, "workload") == "lora"
    job = Job(
        **fields,
        **layout,
        batch=batch,
        micro=1.0,
        flash=flash,
        early_flash=float(family == "composer"),
        generic_flash=float(generic),
        recompute=0.0,
        devices=devices,
        peak=part.peak(dtype) * steady / cores,
        peak16=part.peak("bf16") * steady / cores,
        memory=part.memory_bytes / cores,
        bandwidth=part.memory_bandwidth_bytes_per_s / cores,
        link_in=max(part.intra_node_bytes_per_s, 1e9) / cores,
        link_out=max(link_out, 1e9) / cores,
        domain=domain * cores,
        sequence_parallel=0.0 if old and "sequence parallel" not in text(row, "activation_checkpointing") else 1.0,
        grad_bytes=_gradient_bytes(old, family, dtype),
        fp8=1.0 if recipe in ("fp8", "mxfp8", "int8") else 0.0,
        fp4=1.0 if recipe == "fp4" else 0.0,
        optimizer_bytes=12.0,
        trainable=0.01 if lora else 1.0,
        fused_loss=float(family in ("xla", "xla-gpu")),
        offloaded=float(_offloads(text(row, "activation_checkpointing"))),
    )
    job = _fill_micro(job, row, family, assumed)
    return RowJob(_fill_recompute(job, row, family, assumed), generation_of(part.id), family, recipe, part, assumed)


def _offloads(label: str) -> bool:
    """Custom rematerialisation policies keep some activations, on the host."""
    return "offload" in label or "custom" in label


def _gradient_bytes(old: bool, family: str, dtype: str) -> float:
    """Bytes of gradient per parameter: 16-bit engines 2, 32-bit accumulation 4, DeepSpeed's bf16 optimizer both."""
    if old:
        return 6.0 if family == "deepspeed" and dtype == "bf16" else 2.0
    return 2.0 if family in ("fsdp", "composer") else 4.0


def _assume(assumed: list[str], name: str, value: float) -> float:
    assumed.append(f"{name}={value:g}")
    return value


@functools.lru_cache(4096)
def _known_shape(name: str) -> ModelShape | None:
    try:
        return model(name)
    except InputError:
        return None


def _known_fields(row: Mapping[str, Any], assumed: list[str]) -> dict[str, float] | None:
    """Fields of a known model of the row's name, unless the row tells another shape or size."""
    shape = _known_shape(str(row.get("model") or ""))
    if shape is None:
        return None
    told = [
        (number(row, "layers"), shape.layers),
        (number(row, "hidden"), shape.hidden),
        (number(row, "params_total"), count_params(shape).total),
    ]
    if any(value is not None and abs(value / true - 1.0) > 0.05 for value, true in told):
        return None
    seq = number(row, "seq_len") or _assume(assumed, "seq_len", 4096.0 if count_params(shape).total > 3e9 else 2048.0)
    return model_fields(shape, seq)


def _model_fields(row: Mapping[str, Any], assumed: list[str]) -> dict[str, float]:
    known = _known_fields(row, assumed)
    if known is not None:
        return known
    total = number(row, "params_total")
    layers, hidden = number(row, "layers"), number(row, "hidden")
    if total is None and (layers is None or hidden is None):
        total = _size_in_name(text(row, "model"))
        if total is None:
            raise InputError("params_total", "no model size is told", "give params_total, or layers and hidden")
        assumed.append(f"params_total={total:g} from the name")
    if layers is None or hidden is None:
        layers, hidden = design_widths(number(row, "params_active") or total or 1e9)
        assumed.append(f"layers={layers:g}, hidden={hidden:g} from the size")
    heads = number(row, "heads") or max(1.0, round(hidden / 128.0))
    head_dim = number(row, "head_dim") or hidden / heads
    kv_heads = number(row, "kv_heads") or heads
    matrices = 3.0 if (number(row, "gated_mlp") or 0.0) > 0 else 2.0
    vocab = number(row, "vocab") or _assume(assumed, "vocab", 50257.0)
    seq = number(row, "seq_len") or _assume(assumed, "seq_len", 4096.0 if (total or 0) > 3e9 else 2048.0)
    into, out = hidden * head_dim * (heads + 2 * kv_heads), heads * head_dim * hidden
    tables = vocab * hidden * (1.0 if (number(row, "tied_embeddings") or 0.0) > 0 else 2.0)
    experts = number(row, "n_experts") or _untold_experts(row, assumed)
    ffn = (
        number(row, "ffn_hidden")
        or _untold_expert_width(row, layers * hidden * matrices, experts)
        or _ffn_from(total, layers, hidden, into + out, tables, matrices)
        or 4 * hidden
    )
    fields = {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "mlp_matrices": matrices,
        "vocab": vocab,
        "params_embedding": tables,
        "window": seq,
        "attention_in": into,
        "attention_out": out,
        "seq": seq,
        "ffn": ffn,
        "params": total or layers * (into + out + matrices * hidden * ffn) + tables,
        "params_routed": 0.0,
        "moe_layers": 0.0,
        "experts": 1.0,
        "experts_per_token": 1.0,
        "shared_ffn": 0.0,
        "expert_ffn": 1.0,
    }
    if experts > 1:
        fields.update(_routed_fields(row, fields, experts))
    return fields


_USUAL_EXPERTS, _USUAL_CHOSEN = 128.0, 8.0


def _untold_experts(row: Mapping[str, Any], assumed: list[str]) -> float:
    """Experts of a model whose active count is far below its total; 1 for a dense one."""
    total, active = number(row, "params_total"), number(row, "params_active")
    if total is None or active is None or active > 0.6 * total:
        return 1.0
    return _assume(assumed, "n_experts", max(_USUAL_EXPERTS, number(row, "ep") or 1.0))


def _untold_expert_width(row: Mapping[str, Any], per_width: float, experts: float) -> float | None:
    """Width at which the experts that stay idle hold what separates the total from the active count."""
    total, active = number(row, "params_total"), number(row, "params_active")
    if experts <= 1 or total is None or active is None:
        return None
    return max(1.0, (total - active) / (experts - min(_USUAL_CHOSEN, experts / 2.0)) / per_width)


def _ffn_from(total: float | None, layers: float, hidden: float, attention: float, tables: float, matrices: float) -> float | None:
    if total is None:
        return None
    width = ((total - tables) / layers - attention) / (matrices * hidden)
    return width if width > hidden / 4 else None


def _routed_fields(row: Mapping[str, Any], fields: Mapping[str, float], experts: float) -> dict[str, float]:
    """Routed part of a model: how many layers are routed follows from the total, shared experts from the active count."""
    width, matrices, layers = fields["ffn"], fields["mlp_matrices"], fields["layers"]
    per_layer = experts * matrices * fields["hidden"] * width
    rest = fields["params"] - fields["params_embedding"] - layers * (fields["attention_in"] + fields["attention_out"])
    routed_layers = min(layers, max(1.0, rest / per_layer))
    chosen = number(row, "experts_per_token") or min(_USUAL_CHOSEN, experts / 2.0)
    active = number(row, "params_active") or fields["params"]
    used = chosen * matrices * fields["hidden"] * width * routed_layers
    left = active - fields["params_embedding"] - layers * (fields["attention_in"] + fields["attention_out"]) - used
    shared = max(0.0, left / layers / (matrices * fields["hidden"]))
    return {
        "params_routed": min(per_layer * routed_layers, 0.995 * fields["params"]),
        "moe_layers": routed_layers,
        "experts": experts,
        "experts_per_token": chosen,
        "shared_ffn": shared,
        "expert_ffn": width,
        "ffn": max(shared, width),
    }


def _size_in_name(name: str) -> float | None:
    found = re.search(r"(\d+(?:\.\d+)?)\s*([mbt])\b", name)
    return float(found[1]) * {"m": 1e6, "b": 1e9, "t": 1e12}[found[2]] if found else None


def _layout_fields(row: Mapping[str, Any], family: str, devices: float, memory: float, assumed: list[str]) -> dict[str, float]:
    tensor, pipeline, context = (number(row, key) or 1.0 for key in ("tp", "pp", "cp"))
    if number(row, "tp") is None and family not in ("xla", "xla-gpu", "fsdp", "composer", "zero3"):
        tensor, pipeline = _usual_cut(row, devices, memory)
        assumed.append(f"tp={tensor:g}, pp={pipeline:g}")
    if family in ("xla", "xla-gpu") and number(row, "tp") is None:
        tensor = _narrowest(row, devices)
    data = max(1.0, devices / (tensor * pipeline * context))
    stage, group = _sharding(text(row, "sharding"), family, data * context, pipeline)
    return {
        "tensor": tensor,
        "pipeline": pipeline,
        "context": context,
        "data": data,
        "virtual": number(row, "vpp") or _interleaved(row, family, pipeline),
        "expert": number(row, "ep") or _usual_expert(row, data * tensor * context, memory * pipeline),
        "shard": stage,
        "shard_group": group,
    }


def _narrowest(row: Mapping[str, Any], devices: float) -> float:
    """Smallest power of two of tensor parallelism that leaves every data rank a sequence."""
    sequences = (number(row, "global_batch_tokens") or math.inf) / (number(row, "seq_len") or 4096.0)
    tensor = 1.0
    while devices / tensor > sequences * 1.01 and tensor < 64:
        tensor *= 2
    return tensor


def _interleaved(row: Mapping[str, Any], family: str, pipeline: float) -> float:
    """Tuned runs interleave about two layers a stage; tables of benchmark frameworks that print the setting mean none when it is blank."""
    if pipeline < 2 or family != "megatron-core" or re.search(r"bridge|nemo/|megatron-core", text(row, "framework")):
        return 1.0
    return float(min(8.0, max(1.0, round((number(row, "layers") or 64.0) / pipeline / 2.0))))


def _usual_expert(row: Mapping[str, Any], ranks: float, memory: float) -> float:
    """Expert parallelism of a node, or what it takes for experts at 6 bytes a parameter to fill no more than half of a device."""
    experts = number(row, "n_experts")
    if experts is None:
        return 1.0
    size = min(experts, 8.0, ranks)
    while 6.0 * (number(row, "params_total") or 0.0) / size > 0.5 * memory and 2.0 * size <= min(experts, ranks):
        size *= 2.0
    return size


def _usual_cut(row: Mapping[str, Any], devices: float, memory: float) -> tuple[float, float]:
    """A usual Megatron cut for a size: tensor parallel in the node, then pipeline until states at 14 bytes a parameter fill
    60% of a device.
    """
    total = number(row, "params_total") or 1e9
    active = number(row, "params_active") or total
    tensor = min(devices, 1.0 if active < 10e9 else 2.0 if active < 20e9 else 4.0 if active < 100e9 else 8.0)
    pipeline = 1.0
    while total / tensor / pipeline > 0.6 * memory / 14.0 and tensor * pipeline * 2 <= devices and number(row, "n_experts") is None:
        pipeline *= 2
    return tensor, pipeline


def _sharding(label: str, family: str, data: float, pipeline: float) -> tuple[float, float]:
    """(ZeRO stage, devices states are spread over)."""
    over = re.search(r"\((\d+)\)|over (\d+)", label)
    group = float(over[1] or over[2]) if over else data
    if "within slice" in label:
        return 3.0, min(data, 256.0)
    if "hsdp" in label:
        return 3.0, min(data, 8.0)
    if "grad_op" in label or "zero-2" in label:
        return 2.0, min(group, data)
    if "zero-1" in label or "distributed" in label:
        return 1.0, min(group, data)
    if "fsdp" in label or "zero-3" in label:
        return (3.0 if pipeline < 2 else 2.0), data
    if "none" in label:
        return 0.0, data
    return {"xla": 3.0, "fsdp": 3.0, "composer": 3.0, "zero3": 3.0, "xla-gpu": 3.0, "megatron-lm": 0.0}.get(family, 1.0), data


_RECOMPUTE: tuple[tuple[str, float], ...] = (
    ("full", 2.0),
    ("selective", 1.0),
    ("offload", 1.7),
    ("custom", 1.5),
    ("norm", 0.4),
    ("none", 0.0),
    ("no", 0.0),
)


def _fits(job: Job) -> bool:
    from tools.systems.memory import training_memory

    return float(training_memory(job)["total"]) < 0.95 * float(job.memory)


def _fill_micro(job: Job, row: Mapping[str, Any], family: str, assumed: list[str]) -> Job:
    told = number(row, "micro_batch")
    per_rank = max(1.0, float(job.batch / job.data))
    if told is not None and float(job.pipeline) > 1 and per_rank / told < float(job.pipeline) and "titan" in text(row, "framework"):
        return job.with_(micro=1.0)  # torchtitan's local batch, which its schedules split
    if told is not None:
        return job.with_(micro=told)
    best = per_rank if family == "xla" else 1.0
    if family != "xla" and float(job.pipeline) < 2:
        for size in (8.0, 4.0, 2.0):
            if size <= per_rank and _fits(job.with_(micro=size, recompute=2.0)):
                best = size
                break
    _assume(assumed, "micro_batch", best)
    return job.with_(micro=best)


def _fill_recompute(job: Job, row: Mapping[str, Any], family: str, assumed: list[str]) -> Job:
    label = text(row, "activation_checkpointing")
    if "selective" in label and family == "fsdp":  # a share of the blocks or of their operations, chosen to fit
        fitting = (job.with_(recompute=value) for value in (1.0, 1.25, 1.5, 1.75) if _fits(job.with_(recompute=value)))
        return next(fitting, job.with_(recompute=1.75))
    for word, value in _RECOMPUTE:
        if word in label:
            return job.with_(recompute=value)
    for value in (0.0, 1.0, 2.0):
        trial = job.with_(recompute=value)
        if (value > 0 or float(job.flash) > 0) and _fits(trial):
            break
    else:
        trial = job.with_(recompute=2.0)
    assumed.append(f"recompute={float(np.asarray(trial.recompute)):g} (the least that fits)")
    return trial
