"""Which column is which, and in what unit: synonyms of column names, unit suffixes, numbers written as 70B or 1,000."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

# Role -> names it goes by (normalised: lower case, words joined by _), the best name first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "params": (
        "params",
        "n",
        "n_params",
        "num_params",
        "nparams",
        "parameters",
        "n_parameters",
        "num_parameters",
        "params_total",
        "total_params",
        "model_params",
        "param_count",
        "model_size",
        "size",
        "params_nonembedding",
        "params_non_embedding",
        "non_embedding_params",
        "nonembedding_params",
        "n_non_embedding",
        "non_embd_params",
    ),
    "tokens": (
        "tokens",
        "d",
        "n_tokens",
        "num_tokens",
        "ntokens",
        "train_tokens",
        "training_tokens",
        "tokens_seen",
        "total_tokens",
        "data_tokens",
        "dataset_size",
        "data_size",
        "token_count",
    ),
    "flops": (
        "flops",
        "c",
        "flop",
        "compute",
        "train_flops",
        "training_flops",
        "total_flops",
        "compute_flops",
        "training_flop",
        "flops_total",
        "pf_days",
        "pfdays",
        "petaflop_days",
        "training_compute",
    ),
    "loss": (
        "loss",
        "val_loss",
        "validation_loss",
        "eval_loss",
        "test_loss",
        "final_loss",
        "loss_nats",
        "cross_entropy",
        "ce",
        "ce_loss",
        "nll",
        "l",
        "train_loss",
        "smoothed_loss",
        "final_val_loss",
        "loss_bits",
    ),
    "step": ("step", "steps", "n_steps", "iteration", "iterations", "iter", "global_step"),
    "run": ("model", "run", "run_name", "trajectory", "experiment", "checkpoint_of"),
    "run_id": ("run_id", "id", "name"),
    "family": ("family", "model_family", "suite", "series", "config", "configuration", "group"),
    "dataset": ("dataset", "corpus", "data_set", "train_set", "training_set", "data"),
    "params_kind": ("params_kind",),
    "loss_kind": ("loss_kind",),
    "seed": ("seed", "random_seed"),
    "outlier": ("outlier", "is_outlier", "exclude", "excluded"),
    "diverged": ("diverged", "is_diverged"),
    "best": ("best_in_group", "best"),
    "unique_tokens": ("unique_tokens", "u", "n_unique_tokens", "unique_data"),
    "epochs": ("epochs", "epoch_count", "n_epochs", "repeats"),
    "width": ("width", "d_model", "hidden", "hidden_size", "n_embd", "dim"),
    "depth": ("depth", "layers", "n_layers", "num_layers", "n_layer"),
    "lr": ("lr", "learning_rate", "peak_lr"),
    "batch": ("batch_tokens", "batch", "batch_size", "batch_seqs"),
    "active_params": ("active_params", "params_active", "n_active", "activated_params"),
    "sparsity": ("sparsity",),
    "experts": ("experts", "n_experts", "num_experts"),
    "vocab": ("vocab", "vocab_size", "v"),
    "vocab_params": ("vocab_params", "n_v", "params_vocabulary"),
    "streams": ("streams", "p", "parallel_streams"),
    "weight_bits": ("weight_bits", "w_bits", "bits", "p_w", "post_bits"),
    "activation_bits": ("activation_bits", "a_bits", "p_a"),
    "kv_bits": ("kv_bits", "kv_cache_bits", "p_kv"),
    "group_size": ("group_size", "quant_group"),
    "fp_tokens": ("fp_tokens", "full_precision_tokens", "d_fp"),
    "qat_tokens": ("qat_tokens", "d_qat"),
    "granularity": ("granularity",),
    "loss_difference": ("loss_difference", "delta_loss", "degradation"),
    "forward_area": ("forward_area", "s1"),
    "annealing_area": ("annealing_area", "s2"),
    "other_loss": ("other_loss", "loss_other", "loss0"),
    "accuracy": ("accuracy", "acc", "coverage", "pass_rate", "pass_at_k"),
    "reward": ("reward", "return", "mean_reward"),
    "start_reward": ("start_reward", "r0", "initial_reward"),
    "samples": ("samples", "k", "attempts", "n_samples"),
    "share": ("share", "proportion", "ratio", "mixture_share"),
    "weight": ("weight", "row_weight"),
}
TEXT_ROLES = frozenset({"run", "run_id", "family", "dataset", "params_kind", "loss_kind"})
GROUP_ROLES = ("family", "dataset")

_COUNT_UNITS = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "millions": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "g": 1e9,
    "billion": 1e9,
    "billions": 1e9,
    "t": 1e12,
    "tn": 1e12,
    "trillion": 1e12,
    "trillions": 1e12,
}
_FLOP_UNITS = {
    "pflop": 1e15,
    "pflops": 1e15,
    "petaflop": 1e15,
    "petaflops": 1e15,
    "eflop": 1e18,
    "eflops": 1e18,
    "exaflop": 1e18,
    "exaflops": 1e18,
    "zflop": 1e21,
    "zflops": 1e21,
    "zettaflop": 1e21,
    "zettaflops": 1e21,
    "tflop": 1e12,
    "tflops": 1e12,
    "pf_days": 8.64e19,
    "pfdays": 8.64e19,
    "petaflop_days": 8.64e19,
    "pf_day": 8.64e19,
}
_LOSS_UNITS = {"nats": 1.0, "bits": math.log(2.0)}
COUNT_ROLES = frozenset({"params", "tokens", "unique_tokens", "active_params", "vocab_params", "vocab", "step", "batch"})
# A comma stands between thousands only: read as nothing in 3,91 it would make 391.
_NUMBER = re.compile(r"^\s*([+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([kKmMbBgGtT])?\s*$")


def normalise(name: str) -> str:
    """`N (B)` -> `n_b`, `valLoss` -> `val_loss`."""
    words = re.sub(r"([a-z0-9])([A-Z][a-z])", r"\1_\2", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def unit_scale(role: str, unit: str) -> float | None:
    """Factor from a unit word to the canonical unit of a role (params, tokens, FLOP, nats); None if it is none."""
    key = normalise(unit)
    power = re.fullmatch(r"1?e(\d+)", key)
    if power:
        return 10.0 ** int(power.group(1))
    if role == "flops":
        return _FLOP_UNITS.get(key, 1.0 if key in ("flop", "flops") else None)
    if role == "loss":
        return _LOSS_UNITS.get(key)
    return _COUNT_UNITS.get(key, 1.0 if key in ("tokens", "params", "1") else None) if role in COUNT_ROLES else None


def recognise(name: str) -> tuple[str, int, float, str] | None:
    """Role of a column name, how good the match is (0 best), its unit factor and the unit's word; None if it has no role."""
    key = normalise(name)
    for role, names in SYNONYMS.items():
        if key in names:
            return (
                role,
                names.index(key),
                {"pf_days": 8.64e19, "pfdays": 8.64e19, "petaflop_days": 8.64e19, "loss_bits": math.log(2.0)}.get(key, 1.0),
                "",
            )
    for role, names in SYNONYMS.items():
        for rank, known in enumerate(names):
            suffix = key.removeprefix(known + "_")
            scale = unit_scale(role, suffix) if suffix != key else None
            if scale is not None:
                return role, rank, scale, suffix
    return None


_COMMA_DECIMAL = re.compile(r"^\s*[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+(?:[eE][+-]?\d+)?\s*[kKmMbBgGtT]?\s*$")
_THOUSANDS = re.compile(r"^\s*[+-]?\d{1,3}(?:,\d{3})+\s*[kKmMbBgGtT]?\s*$")
_POINT_DECIMAL = re.compile(r"^\s*[+-]?(?:\d[\d,_]*|)\.\d+(?:[eE][+-]?\d+)?\s*[kKmMbBgGtT]?\s*$")
_POINT_THOUSANDS = re.compile(r"^\s*[+-]?\d{1,3}(?:\.\d{3})+\s*$")


def decimal_commas(cells: Iterable[str]) -> bool:
    """Whether numbers are written 3,91 and 1.000.000: some cell can be read in no other way and none has a decimal point."""
    found = False
    for cell in cells:
        if _POINT_DECIMAL.match(cell) and not _POINT_THOUSANDS.match(cell):
            return False
        found = found or bool(_COMMA_DECIMAL.match(cell) and not _THOUSANDS.match(cell))
    return found


def with_points(cell: str) -> str:
    """A number with a decimal comma as one with a decimal point; anything else as it is."""
    if _COMMA_DECIMAL.match(cell) or _POINT_THOUSANDS.match(cell):
        return cell.replace(".", "").replace(",", ".")
    return cell


def number(text: str) -> float:
    """A number as people write it in tables: 7e9, 1,000, 70B, 300M. Raises ValueError when it is none."""
    try:
        return float(text)
    except ValueError:
        match = _NUMBER.match(text)
        if not match:
            raise
        scale = _COUNT_UNITS[match.group(2).lower()] if match.group(2) else 1.0
        return float(match.group(1).replace(",", "").replace("_", "")) * scale
