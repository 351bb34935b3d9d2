"""What a question states beyond the brief's fields."""

from __future__ import annotations

import time

import pytest

from agent.understand.details import details
from tools.registry import call, get_tool

STATED = [
    (
        "diffusion",
        "SD3-style rectified flow, depth 38: CLIP drop with 10 instead of 50 sampling steps?",
        {"depth": 38.0, "sampling_steps": 10.0},
    ),
    ("diffusion", "how much CLIP score do I lose at depth 15 going from 50 to 5 steps", {"depth": 15.0, "sampling_steps": 5.0}),
    ("diffusion", "20 sampling steps with a depth-30 MM-DiT?", {"depth": 30.0, "sampling_steps": 20.0}),
    ("diffusion", "compute-optimal DiT size at 1e20 FLOPs", {}),
    ("diffusion", "train a DiT for 500K steps on 1e20 FLOPs", {}),
    ("video", "by what factor does the optimal model grow if compute goes up 10x?", {"compute_ratio": 10.0}),
    ("video", "how much larger should the video DiT be if I double the compute?", {"compute_ratio": 2.0}),
    ("video", "lr and batch for a 1.07B video model on 10B tokens?", {}),
    (
        "multimodal",
        "LAION-trained CLIP: zero-shot ImageNet error at 1e12 GMAC of compute?",
        {"forward_gmac": 1e12, "benchmark": "imagenet1k"},
    ),
    (
        "multimodal",
        "OpenAI CLIP, COCO retrieval at 3e11 GMACs",
        {"forward_gmac": 3e11, "benchmark": "mscoco_image_retrieval", "training_data": "openai"},
    ),
    ("multimodal", "CLIP ViT-L/14 at 87.73 GMAC per sample and 13B samples", {"gmac_per_sample": 87.73, "samples_seen": 13e9}),
    ("multimodal", "compute to reach 75% zero-shot ImageNet accuracy with CLIP", {"target_error": 0.25, "benchmark": "imagenet1k"}),
    ("multimodal", "Henighan's law: optimal model size for 32x32 images at 10 PF-days?", {"modality": "image_32x32"}),
    ("multimodal", "best size of an autoregressive video transformer at 1 PF-day", {"modality": "video_vq_16x16x16"}),
    ("translation", "what does a pair get at sampling weight 0.3 in a 1B model?", {"sampling_weight": 0.3}),
    ("translation", "encoder exponent 0.1, decoder exponent 0.3, split 1B", {"encoder_exponent": 0.1, "decoder_exponent": 0.3}),
    ("time_series", "expected NLL of a 100M encoder-only model in distribution", {"architecture": "encoder", "test_set": "id"}),
    (
        "time_series",
        "NLL on Monash for a decoder-only model trained on 2B time points",
        {"architecture": "decoder", "test_set": "ood_monash", "tokens": 2e9},
    ),
    ("time_series", "encoder-only or decoder-only with 50M parameters?", {}),
    ("science", "single-cell foundation model with 116M cells?", {"topic": "cells", "samples_seen": 116e6}),
    ("science", "Scaling a GNN interatomic potential: more layers or more structures?", {"topic": "atoms"}),
    ("science", "does scaling molecular GNNs to 1B parameters still help?", {"topic": "molecules"}),
    ("memory", "fp32 optimizer states for 7B with SGD with momentum instead of Adam", {"optimizer": "sgd", "counted": "optimizer_state"}),
    (
        "memory",
        "AdamW mixed precision, fp32 gradients: bytes for 13B, activations excluded",
        {"optimizer": "adamw", "counted": "training_states", "grad_bytes": 4.0},
    ),
    ("memory", "can I train a 13B on 8 A100 40GB?", {}),
    ("memory", "does 7B train with Muon on 4 A100?", {"optimizer": "muon"}),
    ("allocate", "depth 38 and 10 sampling steps", {}),
]


@pytest.mark.parametrize(("task", "question", "expected"), STATED)
def test_details_are_read_for_their_task(task: str, question: str, expected: dict[str, object]) -> None:
    found = details(question, task)
    assert found == {key: pytest.approx(value) if isinstance(value, float) else value for key, value in expected.items()}


@pytest.mark.parametrize(("task", "question", "expected"), [case for case in STATED if case[2]])
def test_every_detail_is_a_field_of_its_tool(task: str, question: str, expected: dict[str, object]) -> None:
    assert set(expected) <= set(get_tool(task).request.model_fields)


def test_a_stated_number_changes_the_answer() -> None:
    question = "SD3, depth 15: CLIP drop with 5 instead of 50 sampling steps?"
    assert call("diffusion", details(question, "diffusion")).values["clip_drop_percent"].value == pytest.approx(4.3)
    flickr = call("multimodal", details("CLIP on LAION: Flickr30k retrieval error at 1e12 GMAC", "multimodal"))
    assert flickr.values["error"].value == pytest.approx(15.506 * 1e12**-0.1892)


@pytest.mark.parametrize(
    ("task", "question", "found"),
    [
        (
            "hyperparameters",
            "we tuned lr 2e-3 at width 512, which lr at width 8192?",
            {"learning_rate": 2e-3, "base_width": 512.0, "width": 8192.0},
        ),
        (
            "hyperparameters",
            "transfer a learning rate of 3e-3 from width 1024 to 8192",
            {"learning_rate": 3e-3, "base_width": 1024.0, "width": 8192.0},
        ),
        (
            "hyperparameters",
            "going from 12 layers to 48 layers with lr of 1e-3",
            {"learning_rate": 1e-3, "base_depth": 12.0, "depth": 48.0},
        ),
        ("hyperparameters", "weight decay when tokens go from 50B to 400B?", {"tokens_before": 5e10}),
        ("hyperparameters", "batch from 1M to 4M tokens per step: which weight decay?", {"batch_tokens_before": 1e6}),
        ("hyperparameters", "best learning rate for 7B on 2T tokens", {}),
        ("batch_size", "batch of 1M tokens, the run grows from 100B to 1T tokens", {"tokens_before": 1e11}),
        (
            "lr_schedule",
            "cost of a sweep with horizons 5, 10 and 20 and a cooldown of 15%",
            {"horizons": [5.0, 10.0, 20.0], "cooldown_fraction": 0.15},
        ),
        ("finetune", "LoRA or full with 20k labelled examples?", {"examples": 2e4}),
        ("finetune", "what is pretraining worth at 3 million characters", {"characters": 3e6}),
        ("distill", "distill a 70B into a 7B on 1T tokens", {"teacher_params": 7e10}),
        ("distill", "student 1B, teacher 13B trained on 2T tokens", {"teacher_params": 1.3e10, "teacher_tokens": 2e12}),
        ("qat", "is 10% of the tokens for QAT right?", {"qat_fraction": 0.1}),
        ("rl", "compute to reach 60% pass rate", {"target_pass_rate": 0.6}),
        ("downstream", "params to reach 70% accuracy on MMLU", {"benchmark": "mmlu", "target_accuracy": 0.7}),
        ("repeat_data", "are 4 epochs fine?", {"epochs": 4.0}),
        ("sparsity", "7B pruned to 50%", {"sparsity": 0.5}),
        ("parallel_scaling", "1.6B with 8 streams", {"streams": 8.0}),
    ],
)
def test_a_recipes_details(task: str, question: str, found: dict[str, object]) -> None:
    assert details(question, task) == found


@pytest.mark.parametrize("text", ["from " + "1," * 9000, "9" * 19_000, "width " * 3000, "horizons " + "1, " * 6000, "from 1 to " * 2000])
def test_a_long_text_costs_little(text: str) -> None:
    begun = time.perf_counter()
    for task in ("hyperparameters", "lr_schedule", "multimodal", "distill", "finetune"):
        details(text, task)
    assert time.perf_counter() - begun < 0.5
