"""What the estimates need to know about a part beyond its card: generation, cores software sees, and the rate it sustains."""

from __future__ import annotations

from knowledge.hardware import Accelerator

# devices of one package that software addresses on their own
CORES: dict[str, int] = {"trainium1": 2, "mi250x": 2, "mi250": 2}
_GENERATIONS: tuple[tuple[str, str], ...] = (
    ("v100", "volta"),
    ("a100", "ampere"),
    ("a800", "ampere"),
    ("a10", "ampere"),
    ("a40", "ampere"),
    ("a6000", "ampere"),
    ("3090", "ampere"),
    ("3080", "ampere"),
    ("gb200", "blackwell"),
    ("gb300", "blackwell"),
    ("b100", "blackwell"),
    ("b200", "blackwell"),
    ("b300", "blackwell"),
    ("5090", "blackwell"),
    ("pro-6000", "blackwell"),
    ("h100", "hopper"),
    ("h200", "hopper"),
    ("h800", "hopper"),
    ("gh200", "hopper"),
    ("h20", "hopper"),
    ("l40", "ada"),
    ("l4", "ada"),
    ("4090", "ada"),
    ("4080", "ada"),
    ("6000-ada", "ada"),
    ("t4", "volta"),
    ("mi250", "cdna2"),
    ("mi300", "cdna3"),
    ("mi325", "cdna3"),
    ("mi350", "cdna4"),
    ("mi355", "cdna4"),
    ("v6e", "tpu-v6e"),
    ("v5e", "tpu-v5e"),
    ("v5p", "tpu-v5p"),
    ("tpu", "tpu"),
    ("train", "trainium"),
    ("inf", "trainium"),
    ("gaudi", "gaudi"),
)


def generation_of(part_id: str) -> str:
    """Architecture generation of an accelerator."""
    return next((name for word, name in _GENERATIONS if word in part_id), "other")


_TYPICAL_CEILING = 0.80  # measured share of peak on H100 SXM, the reference of the calibration
_POWER_EXPONENT = 0.4  # how the sustained rate follows the power budget within one generation


def sustained(part: Accelerator) -> float:
    """A part's sustained matrix rate relative to a part that holds 80% of its peak: its measured ceiling, else its watts
    against its generation's.
    """
    if part.matmul_ceiling is not None:
        return part.matmul_ceiling / _TYPICAL_CEILING
    if generation_of(part.id) == "volta":
        return 0.85  # the printed peak is at the boost clock
    reference = {"hopper": 700.0 / 989.4, "blackwell": 1000.0 / 2250.0, "ampere": 400.0 / 312.0, "cdna4": 1400.0 / 2500.0}.get(
        generation_of(part.id)
    )
    if reference is None:
        return 1.0
    return min(1.0, (part.tdp_watts / (part.peak("bf16") / 1e12) / reference) ** _POWER_EXPONENT)
