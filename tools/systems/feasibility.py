"""Why a pinned layout cannot be: counts that do not divide, and batches that do not reach every rank."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge.hardware import Accelerator
from knowledge.shapes import ModelShape


def refusal(shape: ModelShape, part: Accelerator, devices: float, batch: float, fixed: Mapping[str, float]) -> str:
    """A sentence saying which rule the pinned layout breaks, or the empty string."""
    tensor, pipeline, context = (fixed.get(name, 1.0) for name in ("tensor", "pipeline", "context"))
    cut = tensor * pipeline * context
    if devices % cut:
        return (
            f"{devices:g} accelerators cannot be divided into groups of {cut:g} "
            f"(tp {tensor:g} x pp {pipeline:g} x cp {context:g}); {max(1, devices // cut) * cut:g} can"
        )
    if shape.heads % tensor:
        return f"{shape.heads} attention heads do not divide by tp {tensor:g}"
    if tensor > part.fast_domain_size and part.fast_domain_size > 1:
        return f"tp {tensor:g} leaves the {part.fast_domain_size} accelerators that share fast links"
    if pipeline > shape.layers:
        return f"{shape.layers} layers do not fill {pipeline:g} pipeline stages"
    data = fixed.get("data", devices / cut)
    if data > batch:
        return f"a batch of {batch:g} sequences is smaller than the {data:g} data-parallel ranks; each needs at least one"
    if data * cut != devices:
        return f"dp {data:g} x tp {tensor:g} x pp {pipeline:g} x cp {context:g} is {data * cut:g}, not {devices:g} accelerators"
    if "expert" in fixed and shape.n_experts and shape.n_experts % fixed["expert"]:
        return f"{shape.n_experts} experts do not divide by ep {fixed['expert']:g}"
    return ""
