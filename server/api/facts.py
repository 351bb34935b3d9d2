"""`/v1/accelerators` and `/v1/models`: facts of hardware and of known model shapes."""

from __future__ import annotations

from fastapi import APIRouter

from knowledge.hardware import Accelerator, accelerator, accelerators
from knowledge.shapes import ModelShape, model, models

router = APIRouter(tags=["facts"])


@router.get("/accelerators")
def list_accelerators() -> list[Accelerator]:
    """Every accelerator."""
    return list(accelerators().values())


@router.get("/accelerators/{accelerator_id}")
def show_accelerator(accelerator_id: str) -> Accelerator:
    """One accelerator by id or usual spelling."""
    return accelerator(accelerator_id)


@router.get("/shapes")
def list_shapes() -> list[ModelShape]:
    """Every known model shape."""
    return list(models().values())


@router.get("/shapes/{model_id}")
def show_shape(model_id: str) -> ModelShape:
    """One known model by id or usual spelling."""
    return model(model_id)
