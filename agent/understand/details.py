"""What a question states beyond the brief's own fields: a sampler's steps, a forward GMAC, a sampling weight, a test set.

The fields are those of one tool's request, so they are read only once the task is known and never asked back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from agent.understand._recipe_details import READERS as RECIPES

Detail = float | str | list[float]
_NUMBER = r"(?<![\d.,])(\d[\d,]{0,18}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?|\.\d{1,12})\s?(k|m|b|bn|g|t|thousand|million|billion|trillion)?"
_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "g": 1e9, "billion": 1e9, "t": 1e12, "trillion": 1e12}
_READ = 2000  # characters: details stand near what they belong to, and patterns are tried at every place
_WORDS = {
    "double": 2.0,
    "doubles": 2.0,
    "doubling": 2.0,
    "twice": 2.0,
    "triple": 3.0,
    "tripling": 3.0,
    "quadruple": 4.0,
    "halve": 0.5,
    "halving": 0.5,
    "half": 0.5,
}


def details(question: str, task: str) -> dict[str, Detail]:
    """Fields of the task's tool that the question states in words no brief field holds. Units as in the tool's request."""
    text = " ".join(question.lower().replace("×", "x").replace("–", "-").split())[:_READ]
    reader = _READERS.get(task) or RECIPES.get(task)
    return dict(reader(text)) if reader else {}


def _first(text: str, *patterns: str) -> float | None:
    """The number in the first group of the first pattern that matches, scaled by the suffix in its second group."""
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            suffix = match[2] if match.re.groups > 1 else None
            return float(match[1].replace(",", "")) * _SCALE.get(suffix or "", 1.0)
    return None


def _only(found: dict[str, Detail | None]) -> dict[str, Detail]:
    return {name: value for name, value in found.items() if value is not None}


def _share(text: str, *patterns: str) -> float | None:
    """A fraction, also written in per cent; the second group holds the sign."""
    for pattern in patterns:
        match = re.search(pattern, text)
        if match:
            return float(match[1]) / (100 if match[2] else 1)
    return None


_SHARE = r"(\d+(?:\.\d+)?|\.\d+)\s*(%|percent|per cent)?"


_MODALITIES: tuple[tuple[str, str], ...] = (
    (r"video", "video_vq_16x16x16"),
    (r"\bmath", "math_extrapolate"),
    (r"text[ -]to[ -]image|text2image", "text_to_image_image"),
    (r"image[ -]to[ -]text|image2text|caption", "image_to_text_image"),
    (r"vq[^.]*32 ?x ?32|32 ?x ?32[^.]*vq", "image_vq_32x32"),
    (r"vq[^.]*16 ?x ?16|16 ?x ?16[^.]*vq", "image_vq_16x16"),
    (r"32 ?x ?32", "image_32x32"),
    (r"16 ?x ?16", "image_16x16"),
    (r"\b8 ?x ?8\b", "image_8x8"),
)


def _named(text: str, table: tuple[tuple[str, str], ...]) -> str | None:
    return next((name for pattern, name in table if re.search(pattern, text)), None)


def _modality(text: str) -> str | None:
    """The data of an autoregressive transformer, read only where that law is named."""
    return _named(text, _MODALITIES) if "henighan" in text or "autoregressive" in text else None


def _diffusion(text: str) -> dict[str, Detail]:
    steps = _first(
        text,
        r"(?:from|of) \d+ (?:sampling |denoising |inference |euler )?(?:steps )?(?:down )?to (\d+)\b(?! ?(?:px|pixels|b\b|m\b|flop))",
        r"\b(\d+) (?:instead of|rather than|of|vs\.?|versus|against) (?:the )?\d+ (?:\w+ )?steps",
        r"\b(\d+) (?:sampling|denoising|inference|euler|solver)[ -]steps",
        r"\b(\d+)[ -]step (?:sampling|sampler|generation|inference)",
        r"\b(?:with|in|at|only|using|takes?) (\d+) steps\b",
        r"\b(\d+) steps? (?:instead|rather)",
        r"\b(\d+) (?:nfe|network evaluations|function evaluations)",
    )
    return _only(
        {
            "modality": _modality(text),
            "depth": _first(text, r"\bdepth[ -](?:of |= ?|is )?(\d+)", r"\b(\d+)[ -](?:blocks|layers)\b"),
            "sampling_steps": steps,
        }
    )


def _video(text: str) -> dict[str, Detail]:
    about_compute = re.search(r"\b(?:compute|flops?|budget)\b", text)
    factor = _first(text, r"(\d+(?:\.\d+)?) ?(?:x|times|fold|-fold)\b", r"factor (?:of )?(\d+(?:\.\d+)?)\b") if about_compute else None
    if factor is None and about_compute:
        factor = next((value for word, value in _WORDS.items() if re.search(rf"\b{word}\b", text)), None)
    return _only({"compute_ratio": factor, "modality": _modality(text)})


_BENCHMARKS: tuple[tuple[str, str], ...] = (
    (r"robust|distribution shift", "imagenet_robustness"),
    (r"coco", "mscoco_image_retrieval"),
    (r"flickr", "flickr30k_image_retrieval"),
    (r"vtab", "vtab"),
    (r"imagenet", "imagenet1k"),
)


def _multimodal(text: str) -> dict[str, Detail]:
    clip = bool(re.search(r"clip|mammut|zero[ -]shot|retrieval", text))
    per_sample = _first(text, _NUMBER + r" ?gmacs? (?:per|a|/) ?(?:sample|pair|image)", _NUMBER + r" ?gmac/sample")
    total = None if per_sample is not None else _first(text, _NUMBER + r" ?gmacs?\b")
    samples = _first(text, _NUMBER + r" (?:samples|image-text pairs|pairs|images)(?: seen)?\b")
    accuracy = _share(text, r"(?:reach|get to|hit|achieve|for) (?:an? )?" + _SHARE + r" (?:zero-shot )?(?:imagenet )?(?:top-1 )?accuracy")
    target = _share(text, r"(?:reach|get to|hit|achieve|for) (?:an? )?" + _SHARE + r" (?:zero-shot )?(?:imagenet )?(?:top-1 )?error")
    if target is None and accuracy is not None:
        target = 1 - accuracy
    return _only(
        {
            "modality": None if clip else _named(text, _MODALITIES),
            "benchmark": _named(text, _BENCHMARKS) if clip else None,
            "training_data": "openai" if clip and re.search(r"openai", text) else None,
            "forward_gmac": total,
            "gmac_per_sample": per_sample,
            "samples_seen": samples if clip else None,
            "target_error": target,
        }
    )


def _translation(text: str) -> dict[str, Detail]:
    both = _first(text, r"exponents? (?:are |of )?(\d*\.\d+) (?:and|/)")
    return _only(
        {
            "sampling_weight": _share(
                text,
                r"sampling (?:weight|probability|rate|share) (?:of |= ?|is )?(?:p ?= ?)?" + _SHARE,
                r"\bp ?= ?" + _SHARE,
                r"sampled (?:with|at) (?:weight |probability )?" + _SHARE,
            ),
            "encoder_exponent": _first(text, r"(?:\bp_?e|encoder exponent) ?(?:= ?|of |is )?(\d*\.\d+)") or both,
            "decoder_exponent": _first(text, r"(?:\bp_?d|decoder exponent) ?(?:= ?|of |is )?(\d*\.\d+)")
            or _first(text, r"exponents? (?:are |of )?\d*\.\d+ (?:and|/) (\d*\.\d+)"),
            "pair_exponent": _first(text, r"\balpha ?(?:= ?|of |is )?(\d*\.\d+)"),
        }
    )


def _time_series(text: str) -> dict[str, Detail]:
    kinds = [kind for kind in ("encoder", "decoder") if re.search(rf"\b{kind}\b", text)]
    test_set = "ood_monash" if "monash" in text else "ood_lsf" if re.search(r"\blsf\b|out[ -]of[ -]distribution|\bood\b", text) else None
    if test_set is None and re.search(r"in[ -]distribution|held[ -]out", text):
        test_set = "id"
    return _only(
        {
            "architecture": kinds[0] if len(kinds) == 1 else None,
            "test_set": test_set,
            "tokens": _first(text, _NUMBER + r" (?:time[ -]?)?(?:points|observations|time steps)\b"),
            "target_loss": _first(text, r"nll (?:of |= ?|is )?(\d+(?:\.\d+)?)(?![\d.]*\s?(?:[kmbt]\b|million|billion|param))"),
        }
    )


_TOPICS: tuple[tuple[str, str], ...] = (
    (r"interatomic|potential|force field|\batoms?\b|atomistic|\buma\b|dpa3|escaip", "atoms"),
    (r"molec|\bdrug|\bqsar", "molecules"),
    (r"single[ -]cell|\bcells?\b|\brna\b", "cells"),
    (r"crystal|material", "materials"),
    (r"recommend|collaborative filtering|embedding dimension", "recommenders"),
    (r"thruster", "thrusters"),
)


def _science(text: str) -> dict[str, Detail]:
    return _only({"topic": _named(text, _TOPICS), "samples_seen": _first(text, _NUMBER + r" (?:cells|structures|molecules|crystals)\b")})


_OPTIMIZERS: tuple[tuple[str, str], ...] = (
    (r"\b8[ -]?bit adam|adamw?[ -]8[ -]?bit|8[ -]bit (?:optimi[sz]er|moments)", "adamw-8bit"),
    (r"adafactor", "adafactor"),
    (r"\bmuon\b", "muon"),
    (r"\bsgdm?\b|momentum", "sgd"),
    (r"\badamw?\b", "adamw"),
)
_STATES = (
    r"optimi[sz]er[ -](?:states?|memory|bytes)|bytes of optimi[sz]er"
    r"|(?:adamw?|muon|adafactor|momentum) (?:states?|buffers?|moments)"
)
_NO_ACTIVATIONS = (
    r"(?:without|exclud\w+|leav\w+ out|not? count\w*|no|ignor\w+) (?:the )?activations"
    r"|activations (?:are )?(?:excluded|left out|not counted|aside)"
)
_INSTEAD = r"(?:instead of|rather than|not|versus|vs\.?|against) \w+"


def _memory(text: str) -> dict[str, Detail]:
    """The optimizer, and whether only bytes of states are asked for: without activations, and on no device."""
    asked = re.sub(_INSTEAD, "", text)
    alone = re.search(_STATES, asked)
    every = re.search(r"mixed[ -]precision|master (?:weights|copy)|(?:weights|gradients),? and |model states|training states", asked)
    bare = re.search(_NO_ACTIVATIONS, asked)
    counted = "training_states" if (bare and not alone) or (every and (bare or alone)) else "optimizer_state" if alone else None
    gradients = re.search(r"(fp32|float32|32-bit|bf16|fp16|16-bit) grad", asked)
    return _only(
        {
            "optimizer": _named(asked, _OPTIMIZERS),
            "counted": counted,
            "grad_bytes": (4.0 if "32" in gradients[1] else 2.0) if gradients and counted == "training_states" else None,
        }
    )


_READERS: dict[str, Callable[[str], Mapping[str, Detail]]] = {
    "diffusion": _diffusion,
    "video": _video,
    "multimodal": _multimodal,
    "translation": _translation,
    "time_series": _time_series,
    "science": _science,
    "memory": _memory,
}
