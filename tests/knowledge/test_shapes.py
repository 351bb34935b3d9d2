"""Known shapes: found by their usual names, counted independently here against what their makers published."""

import pytest

from knowledge._catalogue import Catalogue
from knowledge.errors import InputError
from knowledge.library import parse_yaml
from knowledge.shapes import ModelShape, model, models


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("llama 3 70b", "llama-3-70b"),
        ("Llama-3-70B", "llama-3-70b"),
        ("Llama 3.1 70B Instruct", "llama-3.1-70b"),
        ("Mixtral 8x7B", "mixtral-8x7b"),
        ("qwen 2.5 32b", "qwen2.5-32b"),
        ("GPT-OSS-120B", "gpt-oss-120b"),
        ("DeepSeek R1", "deepseek-r1"),
        ("GPT-2", "gpt-2"),
        ("gpt2-xl", "gpt-2-xl"),
        ("mistral 7b", "mistral-7b"),
        ("Qwen3-235B-A22B", "qwen3-235b-a22b"),
        ("Meta-Llama-3.1-405B", "llama-3.1-405b"),
        ("GPT-3", "gpt-3"),
        ("DeciLM-7B", "decilm-7b"),
        ("CodeLlama-13B", "codellama-13b"),
        ("Llama-2-70B", "llama-2-70b"),
        ("Qwen2-72B", "qwen2-72b"),
    ],
)
def test_spellings(spelling: str, expected: str) -> None:
    assert model(spelling).id == expected


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(InputError, match="llama-3-70b"):
        model("llama-3-71b")


def _attention(shape: ModelShape) -> int:
    if shape.mla is None:
        return 2 * shape.hidden * shape.head_dim * (shape.heads + shape.kv_heads)
    latent, queries = shape.mla, shape.heads * (shape.mla.nope_head_dim + shape.mla.rope_head_dim)
    query = latent.q_lora_rank * (shape.hidden + queries) if latent.q_lora_rank else shape.hidden * queries
    keys = shape.hidden * (latent.kv_lora_rank + latent.rope_head_dim) + latent.kv_lora_rank * shape.heads * (
        latent.nope_head_dim + latent.v_head_dim
    )
    return query + keys + shape.heads * latent.v_head_dim * shape.hidden


def _count(shape: ModelShape, experts: int) -> float:
    matrices = 3 if shape.gated_mlp else 2
    moe = matrices * shape.hidden * shape.expert_ffn_hidden * (experts + shape.n_shared_experts) + shape.hidden * shape.n_experts
    mlp = (shape.layers - shape.moe_layers) * matrices * shape.hidden * shape.ffn_hidden + shape.moe_layers * moe
    tables = shape.hidden * (shape.vocab * (2 - shape.tied_embeddings) + shape.learned_positions)
    return shape.layers * (_attention(shape) + 2 * shape.hidden) + mlp + tables + shape.other_params


@pytest.mark.parametrize("shape", models().values(), ids=list(models()))
def test_shapes_count_to_the_published_parameters(shape: ModelShape) -> None:
    assert shape.params_total is not None
    assert _count(shape, shape.n_experts) == pytest.approx(shape.params_total, rel=shape.params_tolerance)
    if shape.params_active:  # in two or three digits; with or without the input embedding or both vocabulary tables
        active = _count(shape, shape.experts_per_token)
        table = shape.vocab * shape.hidden
        assert min(abs(active - without * table - shape.params_active) / shape.params_active for without in (0, 1, 2)) < 0.02


def test_the_short_way_to_an_entry_reads_what_the_whole_file_holds() -> None:
    from importlib.resources import files

    for name in ("models.yaml", "accelerators.yaml"):
        whole = parse_yaml((files("knowledge") / name).read_text(encoding="utf8"))
        catalogue = Catalogue(name, "entry", "")
        assert list(catalogue) == list(whole)
        assert all(catalogue.raw(key) == entry for key, entry in whole.items())
        spellings = {spelling for entry in whole.values() for spelling in [entry["name"], *entry.get("aliases", [])]}
        assert all(catalogue.resolve(spelling, "x") in whole for spelling in spellings)


def test_an_alias_never_hides_another_entry() -> None:
    for name in ("models.yaml", "accelerators.yaml"):
        catalogue = Catalogue(name, "entry", "")
        for key in catalogue:
            for alias in catalogue.raw(key).get("aliases", []):
                assert catalogue.resolve(alias, "x") == key, f"{alias} of {key}"
