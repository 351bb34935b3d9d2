"""What only the task and the words around a number show: utilisation named by a bare percentage, the student of two sizes, counts that are no sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "mio": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9, "": 1.0}
_COUNTED = re.compile(
    r"(\d+(?:\.\d+)?) ?(k|m|b|bn|million|billion|thousand)? (?:(?!(?:on|of|for|with|and|in|from|at|to|over|or|is|are|has)\b)[a-z][a-z-]* ){0,2}?(?:recordings|images|samples seen|pictures|structures|cells|scans|slides|sequences|documents|pairs|"
    r"clips|videos|sentences|examples|points|"
    r"time points|records|molecules|atoms|games|songs|rows)\b"
)
_EPOCHS = re.compile(r"(?:epochs?|passes) (?:on|over|of|through|with) (\d+(?:\.\d+)?) ?(k|m|b|bn|million|billion)\b(?! (?:model|param))")
_BARE_SHARE = re.compile(r"\b(?:at|with|bei|avec|con|à|al) (\d\d(?:\.\d+)?) ?%(?! (?:confidence|discount|of|sparsity|off))")
_RATE = re.compile(
    r"(\d+(?:\.\d+)?)(k?) (?:requests?|queries|questions|calls|reqs?) ?(?:a|per|each|every|/) ?(?:second|sec|s|minute|min|hour|day)\b"
)


def _amount(match: re.Match[str]) -> float:
    return float(f"{float(match[1]) * _SCALE[match[2] or '']:.15g}")


def adjust(values: dict[str, Any], task: str, text: str, sizes: Iterable[float], compute: Iterable[float]) -> None:
    """Correct `values` in place. `sizes`: all model sizes of the message; `compute`: all its FLOP amounts, past ones too."""
    for match in _COUNTED.finditer(text):
        for name in ("params_total", "tokens"):
            if values.get(name) == _amount(match):
                del values[name]
    if "seq2seq" in text and values.get("sequence_length") == 2:
        del values["sequence_length"]
    for match in _RATE.finditer(text):
        if values.get("concurrency") == float(match[1]) * (1e3 if match[2] else 1.0):
            del values["concurrency"]
    if (
        task in ("wall_clock", "cost", "allocate")
        and "mfu" not in values
        and "accelerator" in values
        and (share := _BARE_SHARE.search(text))
    ):
        values["mfu"] = float(f"{float(share[1]) / 100:.15g}")
    if (
        task in ("memory", "serve")
        and isinstance(values.get("tokens"), float)
        and values["tokens"] < 1e6
        and "sequence_length" not in values
    ):
        values["sequence_length"] = values.pop("tokens")
    if task == "repeat_data" and (match := _EPOCHS.search(text)) and values.get("params_total") == _amount(match):
        values["unique_tokens"] = values.pop("params_total")
    if task == "distill" and isinstance(values.get("params_total"), float):
        # The student is the smaller of the two.
        values["params_total"] = min([values["params_total"], *sizes])
    if task == "rl" and re.search(r"\bkl\b", text):
        values.pop("target_loss", None)
    if task == "allocate" and "inference_tokens" in values and not {"n_accelerators", "accelerator_hours"} & values.keys():
        values.pop("duration_seconds", None)
    if task == "design_experiments" and "compute_flops" not in values and (amounts := list(compute)):
        values["compute_flops"] = amounts[-1]
