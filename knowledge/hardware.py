"""Accelerators: compute, memory, links, power and price of one package each, read from accelerators.yaml when first asked for."""

from __future__ import annotations

import functools

from pydantic import BaseModel, ConfigDict, Field

from knowledge._catalogue import Catalogue

_CATALOGUE = Catalogue("accelerators.yaml", "accelerator", "for example h100-sxm, a100-80gb, mi300x, tpu-v5p, rtx-4090")


class PricePoint(BaseModel):
    """A price somebody published, with its date."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usd_per_hour: float = Field(gt=0)
    date: str
    source: str


class Accelerator(BaseModel):
    """One accelerator package (an MI250X counts once, a TPU is a chip). SI units; peaks are dense; bandwidths are one direction."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str
    name: str
    vendor: str
    kind: str
    aliases: tuple[str, ...] = ()
    peak_dense_flops: dict[str, float] = Field(description="FLOP/s by dtype, without sparsity")
    memory_bytes: float = Field(gt=0)
    memory_bandwidth_bytes_per_s: float = Field(gt=0)
    intra_node_bytes_per_s: float = Field(ge=0, description="to the other members of the fast domain together")
    fast_domain_size: int = Field(ge=1, description="packages that share the fast links")
    inter_node_bytes_per_s: float = Field(ge=0, description="usual network rate per package; 0 where there is none")
    tdp_watts: float = Field(gt=0)
    price_low_usd_per_hour: float | None = None
    price_typical_usd_per_hour: float | None = Field(default=None, description="where a source tells what most offers are near")
    price_high_usd_per_hour: float | None = None
    price_basis: str = ""
    price_points: tuple[PricePoint, ...] = ()
    matmul_ceiling: float | None = Field(default=None, gt=0, le=1, description="measured share of the bf16 peak of a large matrix product")
    sources: dict[str, str] = {}
    notes: str = ""

    @property
    def price_usd_per_hour(self) -> float | None:
        """The price to expect: the typical one where a source tells it, else the geometric middle of the range."""
        low, high = self.price_low_usd_per_hour, self.price_high_usd_per_hour
        return self.price_typical_usd_per_hour or (None if low is None or high is None else (low * high) ** 0.5)

    def peak(self, dtype: str) -> float:
        """Dense FLOP/s of a dtype; a dtype the part has no units for runs at the fastest wider one it has."""
        wider = {"fp4": "fp8", "fp6": "fp8", "fp8": "bf16", "int8": "bf16", "int4": "int8", "bf16": "fp16", "fp16": "bf16", "tf32": "fp32"}
        seen: set[str] = set()
        while dtype not in self.peak_dense_flops and dtype not in seen:
            seen.add(dtype)
            dtype = wider.get(dtype, "bf16")
        return self.peak_dense_flops.get(dtype) or max(self.peak_dense_flops.values())


@functools.cache
def _accelerator(accelerator_id: str) -> Accelerator:
    return Accelerator.model_validate({"id": accelerator_id, **_CATALOGUE.raw(accelerator_id)})


@functools.cache
def accelerators() -> dict[str, Accelerator]:
    """Every accelerator by id."""
    return {key: _accelerator(key) for key in _CATALOGUE}


@functools.lru_cache(1024)
def accelerator(name: str) -> Accelerator:
    """An accelerator by id or any usual spelling ("8xH100 SXM5"); raises InputError with the nearest ids when there is none."""
    return _accelerator(accelerator_id(name))


def accelerator_id(name: str) -> str:
    """The id a spelling stands for; raises InputError."""
    return _CATALOGUE.resolve(name, "accelerator")
