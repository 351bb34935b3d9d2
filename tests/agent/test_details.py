"""What a question states beyond the brief's fields."""

from __future__ import annotations

import pytest

from agent.understand.details import details
from tools.registry import call, get_tool

STATED = [
    ("diffusion", "SD3-style rectified flow, depth 38: CLIP drop with 10 instead of 50 sampling steps?", {"depth": 38.0, "sampling_steps": 10.0}),
    ("diffusion", "how much CLIP score do I lose at depth 15 going from 50 to 5 steps", {"depth": 15.0, "sampling_steps": 5.0}),
    ("diffusion", "20 sampling steps with a depth-30 MM-DiT?", {"depth": 30.0, "sampling_steps": 20.0}),
    ("diffusion", "compute-optimal DiT size at 1e20 FLOPs", {}),
    ("diffusion", "train a DiT for 500K steps on 1e20 FLOPs", {}),
    ("video", "by what factor does the optimal model grow if compute goes up 10x?", {"compute_ratio": 10.0}),
    ("video", "how much larger should the video DiT be if I double the compute?", {"compute_ratio": 2.0}),
    ("video", "lr and batch for a 1.07B video model on 10B tokens?", {}),
    ("multimodal", "LAION-trained CLIP: zero-shot ImageNet error at 1e12 GMAC of compute?", {"forward_gmac": 1e12, "benchmark": "imagenet1k"}),
    ("multimodal", "OpenAI CLIP, COCO retrieval at 3e11 GMACs", {"forward_gmac": 3e11, "benchmark": "mscoco_image_retrieval", "training_data": "openai"}),
    ("multimodal", "CLIP ViT-L/14 at 87.73 GMAC per sample and 13B samples", {"gmac_per_sample": 87.73, "samples_seen": 13e9}),
    ("multimodal", "compute to reach 75% zero-shot ImageNet accuracy with CLIP", {"target_error": 0.25, "benchmark": "imagenet1k"}),
    ("multimodal", "Henighan's law: optimal model size for 32x32 images at 10 PF-days?", {"modality": "image_32x32"}),
    ("multimodal", "best size of an autoregressive video transformer at 1 PF-day", {"modality": "video_vq_16x16x16"}),
    ("translation", "what does a pair get at sampling weight 0.3 in a 1B model?", {"sampling_weight": 0.3}),
    ("translation", "encoder exponent 0.1, decoder exponent 0.3, split 1B", {"encoder_exponent": 0.1, "decoder_exponent": 0.3}),
    ("time_series", "expected NLL of a 100M encoder-only model in distribution", {"architecture": "encoder", "test_set": "id"}),
    ("time_series", "NLL on Monash for a decoder-only model trained on 2B time points", {"architecture": "decoder", "test_set": "ood_monash", "tokens": 2e9}),
    ("time_series", "encoder-only or decoder-only with 50M parameters?", {}),
    ("science", "single-cell foundation model with 116M cells?", {"topic": "cells", "samples_seen": 116e6}),
    ("science", "Scaling a GNN interatomic potential: more layers or more structures?", {"topic": "atoms"}),
    ("science", "does scaling molecular GNNs to 1B parameters still help?", {"topic": "molecules"}),
    ("memory", "fp32 optimizer states for 7B with SGD with momentum instead of Adam", {"optimizer": "sgd", "counted": "optimizer_state"}),
    ("memory", "AdamW mixed precision, fp32 gradients: bytes for 13B, activations excluded", {"optimizer": "adamw", "counted": "training_states", "grad_bytes": 4.0}),
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
