"""`multimodal`: zero-shot error of CLIP-like models from compute, and sizes of autoregressive image, video and maths models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from knowledge.errors import InputError
from knowledge.library import LawBook
from tools._autoregressive import LAW as AUTOREGRESSIVE
from tools._autoregressive import autoregressive
from tools._law_values import law_value, table
from tools._modality import ModalityRequest, extrapolated, other, plain
from tools.budget import Budget, budget_of
from tools.convert import in_words
from tools.registry import tool
from tools.result import Alternative, Assumption, Column, Notice, Result, Table, Value

CLIP, COMPARE = "cherti2023_clip", "nezhurina2025_clip_mammut"
_GMAC_FLOPS = 6e9  # training FLOP per forward GMAC: 2 per multiply-accumulate, backward twice the forward pass
_GFLOP_FLOPS = 3e9  # training FLOP per forward GFLOP
_DEFAULT_GMAC = 1e12  # a round budget inside both fits
_GRID_GFLOP = (1e9, 3e9, 1e10, 3e10, 1e11, 3e11, 1e12)
_TASKS = ("imagenet1k", "imagenet_robustness", "mscoco_image_retrieval", "flickr30k_image_retrieval", "vtab")


class MultimodalRequest(ModalityRequest):
    """A question on image-text or autoregressive multimodal models: fields of the brief and a run's own counts."""

    modality: str | None = Field(default=None, description="variant of Henighan et al. 2020, such as image_32x32 or video_vq_16x16x16")
    forward_gmac: float | None = Field(default=None, gt=0, description="forward GMAC of both towers over the run")
    gmac_per_sample: float | None = Field(default=None, gt=0)
    samples_seen: float | None = Field(default=None, gt=0, description="image-text pairs, repetitions counted")
    target_error: float | None = Field(default=None, gt=0, lt=1, description="zero-shot ImageNet error to reach")
    benchmark: Literal["imagenet1k", "imagenet_robustness", "mscoco_image_retrieval", "flickr30k_image_retrieval", "vtab"] | None = None
    training_data: Literal["openclip", "openai"] | None = Field(default=None, description="LAION (openclip) unless OpenAI's data is named")
    architecture: str | None = None


@tool(task="multimodal", title="Zero-shot error of image-text models, sizes of multimodal models")
def multimodal(request: MultimodalRequest, laws: LawBook) -> Result:
    """CLIP error at a compute (Cherti et al. 2023), CLIP or MaMMUT (Nezhurina et al. 2025), or sizes per modality (Henighan et al. 2020).

    Raises InputError for an unknown modality, MissingInput when a modality is named without compute or size.
    """
    budget = budget_of(request)
    if request.law == AUTOREGRESSIVE or request.modality is not None:
        return autoregressive("multimodal", request.modality, "image_32x32", budget, request.params_total, laws)
    if request.target_error is not None:
        return _compute_for(request, request.target_error, laws)
    gmac, assumed = _forward_gmac(request, budget)
    if gmac is None and request.samples_seen is not None and request.law != COMPARE:
        return _towers(request, request.samples_seen, laws)
    if gmac is None or request.law == COMPARE:
        return _compare(gmac, assumed, laws)
    return _clip_error(request, gmac, [*assumed, *budget.assumptions], budget, laws)


def _forward_gmac(request: MultimodalRequest, budget: Budget) -> tuple[float | None, list[Assumption]]:
    """Forward GMAC of the run, from itself, the architecture and samples, or training FLOP; a round default when a CLIP law is named."""
    if request.forward_gmac is not None:
        return request.forward_gmac, []
    if request.gmac_per_sample is not None and request.samples_seen is not None:
        return request.gmac_per_sample * request.samples_seen, []
    if budget.flops is not None:
        return plain(budget.flops) / _GMAC_FLOPS, [
            Assumption(
                field="flops_per_forward_gmac",
                value=_GMAC_FLOPS,
                unit="FLOP/GMAC",
                source="two FLOP per multiply-accumulate, backward twice the forward pass",
            )
        ]
    if request.law == CLIP:
        return _DEFAULT_GMAC, [
            Assumption(
                field="forward_gmac", value=_DEFAULT_GMAC, unit="GMAC", source="no compute stated in FLOP: a round number inside the fit"
            )
        ]
    return None, []


# Forward GMAC of both towers for one pair at 224 pixels (LAION-AI/scaling-laws-openclip, figures.ipynb).
_TOWER_GMAC = {"ViT-B/32": 7.40, "ViT-B/16": 20.57, "ViT-L/14": 87.73, "ViT-H/14": 190.97, "ViT-G/14": 532.92}
_NAMES = {
    "imagenet1k": "ImageNet", "imagenet_robustness": "ImageNet robustness", "mscoco_image_retrieval": "COCO image retrieval (recall@5)",
    "flickr30k_image_retrieval": "Flickr30k image retrieval (recall@5)", "vtab": "VTAB+",
}  # fmt: skip
_DATA = {"openclip": "LAION", "openai": "OpenAI's data"}
_COMPARED = {"imagenet1k": "imagenet1k", "mscoco_image_retrieval": "mscoco"}  # benchmarks that the comparison of architectures has too


def _clip_error(request: MultimodalRequest, gmac: float, assumed: list[Assumption], budget: Budget, laws: LawBook) -> Result:
    data, benchmark = request.training_data or "openclip", request.benchmark or "imagenet1k"
    variant, where = f"{data}_{benchmark}", f"{_NAMES[benchmark]}, trained on {_DATA[data]}"
    at: Mapping[str, float] = {"C": gmac}
    error = law_value(laws, CLIP, "error", at, "err", variant, f"zero-shot error on {where}")
    values = {
        "error": error,
        "accuracy": law_value(laws, CLIP, "error", at, "acc", variant, f"zero-shot accuracy on {where}"),
        "forward_gmac": Value(value=gmac, unit="GMAC", label="forward compute of both towers", quantity="gmacs"),
        "compute_flops": budget.flops or _training_flops(gmac),
        "compute_factor_to_halve": law_value(
            laws, CLIP, "compute_factor", {"reduction": 2}, "factor", variant, "compute factor that halves the error"
        ),
    }
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=["error", "accuracy"],
        values=values,
        tables=[_by_task(gmac, laws)],
        alternatives=_other_errors(gmac, data, benchmark, laws),
        assumptions=assumed,
        warnings=[*budget.notices, *extrapolated(error, CLIP)],
        reasons=["The line is the frontier of many open models; a single run with many repeats lies above it."],
    )


def _towers(request: MultimodalRequest, samples: float, laws: LawBook) -> Result:
    """Error of each published pair of towers after the stated number of samples; the one named, if any, leads."""
    data, benchmark = request.training_data or "openclip", request.benchmark or "imagenet1k"
    variant, where = f"{data}_{benchmark}", f"{_NAMES[benchmark]}, trained on {_DATA[data]}"
    values: dict[str, Value] = {}
    rows: list[list[float | int | str | bool | None]] = []
    for tower, gmac in _TOWER_GMAC.items():
        at = {"gmac_per_sample": gmac, "samples_seen": samples}
        key = _tower_key(tower)
        values[key] = law_value(laws, CLIP, "error_of_model", at, "err", variant, f"zero-shot error of {tower} on {where}")
        rows.append([tower, gmac, gmac * samples, plain(values[key]), 1 - plain(values[key])])
    named = _tower_key(request.architecture or "")
    columns = {"model": ("model", ""), "gmac_per_sample": ("forward per pair", "GMAC"), "forward_gmac": ("forward in all", "GMAC")}
    columns |= {"error": ("error", ""), "accuracy": ("accuracy", "")}
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=[named] if named in values else list(values),
        values=values,
        tables=[table("towers", f"After {in_words(samples, 'samples')} samples, by model", columns, rows)],
        warnings=extrapolated(next(iter(values.values())), CLIP),
        reasons=["The error follows the forward compute of both towers; a single run with many repeats lies above the line."],
    )


def _tower_key(name: str) -> str:
    return "error_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _training_flops(gmac: float) -> Value:
    return Value(
        value=gmac * _GMAC_FLOPS,
        unit="FLOP",
        label="training compute",
        quantity="flops",
        formula="6e9 FLOP per forward GMAC",
        inputs={"C": gmac},
    )


def _other_errors(gmac: float, data: str, benchmark: str, laws: LawBook) -> list[Alternative]:
    """The same error with the other training data, a smaller pool of pairs, and the architectures compared on DataComp."""
    at = {"C": gmac}
    rival = "openai" if data == "openclip" else "openclip"
    found = [other(f"{CLIP} {_DATA[rival]}", "", error=law_value(laws, CLIP, "error", at, "err", f"{rival}_{benchmark}"))]
    for name, kind in (("CLIP", "clip"), ("MaMMUT", "mammut")) if benchmark in _COMPARED else ():
        variant = f"{kind}_datacomp_{_COMPARED[benchmark]}"
        error = law_value(laws, COMPARE, "error", {"C": 2 * gmac}, "err", variant)
        samples = law_value(laws, COMPARE, "optimum", {"C": 2 * gmac}, "D_opt", f"{variant}_samples", "pairs to see")
        found.append(other(f"{COMPARE} {name} on DataComp", "refit of best-of-sweep tables", error=error, samples=samples))
    for pool, variant in (("LAION-400M", "laion400m"), ("LAION-80M", "laion80m")) if benchmark == "imagenet1k" else ():
        error = law_value(laws, CLIP, "error", at, "err", f"openclip_imagenet1k_{variant}")
        found.append(other(f"{CLIP} {pool} pool", "all models of the pool, repeats included", error=error))
    return found


def _by_task(gmac: float, laws: LawBook) -> Table:
    rows: list[list[float | int | str | bool | None]] = [
        [task, *(plain(law_value(laws, CLIP, "error", {"C": gmac}, "err", f"{data}_{task}")) for data in ("openclip", "openai"))]
        for task in _TASKS
    ]
    columns = [Column(name="benchmark"), Column(name="laion", label="LAION"), Column(name="openai", label="OpenAI data")]
    return Table(name="tasks", title="Zero-shot error by benchmark", columns=columns, rows=rows, note="retrieval: 1 - recall@5")


def _compare(gmac: float | None, assumed: list[Assumption], laws: LawBook) -> Result:
    crossing = _crossover(laws)
    variants = ("clip_datacomp_imagenet1k", "mammut_datacomp_imagenet1k")
    rows: list[list[float | int | str | bool | None]] = []
    for C in _GRID_GFLOP:
        clip, mammut = (plain(law_value(laws, COMPARE, "error", {"C": C}, "err", variant)) for variant in variants)
        rows.append([C * _GFLOP_FLOPS, clip, mammut, "CLIP" if clip < mammut else "MaMMUT"])
    columns = [
        Column(name="compute", label="training compute", unit="FLOP"),
        Column(name="clip", label="CLIP error"),
        Column(name="mammut", label="MaMMUT error"),
        Column(name="better"),
    ]
    values = {
        "crossover_compute_flops": crossing,
        "better_below": Value(value="CLIP", label="better below the crossover", law=COMPARE),
        "better_above": Value(value="MaMMUT", label="better above the crossover", law=COMPARE),
    }
    headline = ["better_below", "crossover_compute_flops"]
    if gmac is not None:
        for name, variant in zip(("clip_error", "mammut_error"), variants, strict=True):
            values[name] = law_value(
                laws, COMPARE, "error", {"C": 2 * gmac}, "err", variant, f"zero-shot ImageNet error, {name.split('_')[0]}"
            )
        headline = ["clip_error", "mammut_error", *headline]
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=headline,
        values=values,
        assumptions=assumed,
        tables=[Table(name="comparison", title="Zero-shot ImageNet error on DataComp by compute", columns=columns, rows=rows)],
        warnings=[
            Notice(
                level="info",
                source=COMPARE,
                text="The curves are refitted from best-of-sweep tables and hold for unique pairs; near the crossover "
                "the difference is below the error of the fit.",
            )
        ],
        reasons=["Both architectures were trained in the same sweep on the same data, so their curves can be compared."],
    )


def _crossover(laws: LawBook) -> Value:
    """Compute above which MaMMUT's refitted ImageNet error stays below CLIP's, by bisection in log compute."""
    import numpy as np

    from tools._law_values import law_numbers
    from tools.forms._solve import bisect

    def gain(log_c: float) -> float:
        clip, mammut = (
            law_numbers(laws, COMPARE, "error", {"C": np.exp(log_c)}, variant)["err"]
            for variant in ("clip_datacomp_imagenet1k", "mammut_datacomp_imagenet1k")
        )
        return clip - mammut

    crossing = float(np.exp(bisect(gain, np.log(1e9), np.log(1e12))))
    return Value(
        value=crossing * _GFLOP_FLOPS,
        unit="FLOP",
        label="training compute at which MaMMUT overtakes CLIP on ImageNet",
        quantity="flops",
        law=COMPARE,
        relation="error",
        formula="both error curves equal; 3 FLOP per forward FLOP",
        inputs={"forward_gflop": crossing},
        source="refit of Nezhurina et al. 2025, arXiv:2506.04598",
    )


def _compute_for(request: MultimodalRequest, error: float, laws: LawBook) -> Result:
    data, benchmark = request.training_data or "openclip", request.benchmark or "imagenet1k"
    variant = f"{data}_{benchmark}"
    label = f"training compute for the error on {_NAMES[benchmark]}, trained on {_DATA[data]}"
    values = {
        "compute_flops": law_value(laws, CLIP, "compute_for_error", {"err": error}, "training_FLOP", variant, label),
        "forward_gmac": law_value(laws, CLIP, "compute_for_error", {"err": error}, "C", variant, "forward compute"),
    }
    found: list[Alternative] = []
    for name, kind in (("CLIP", "clip"), ("MaMMUT", "mammut")) if benchmark in _COMPARED else ():
        rival = f"{kind}_datacomp_{_COMPARED[benchmark]}"
        try:
            gflop = law_value(laws, COMPARE, "compute_for_error", {"err": error}, "C", rival, "forward GFLOP")
        except InputError:
            continue  # below the floor of that curve
        if plain(gflop) < float("inf"):
            found.append(other(f"{COMPARE} {name}", "on DataComp", forward_gflop=gflop))
    return Result(
        tool="multimodal",
        task="multimodal",
        headline=["compute_flops"],
        values=values,
        alternatives=found,
        warnings=extrapolated(values["forward_gmac"], CLIP),
    )
