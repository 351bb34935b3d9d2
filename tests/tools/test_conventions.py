import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.shapes import model
from tools.conventions import WIDTH_PER_LAYER, nonembedding_from_total, param_counts


@given(st.floats(1e6, 1e13), st.sampled_from([32000, 50257, 128256]), st.booleans())
def test_body_and_tables_add_up_to_the_size(params: float, vocab: int, tied: bool) -> None:
    body = nonembedding_from_total(params, vocab, tied)
    assert 0 < body < params
    width = (body * WIDTH_PER_LAYER / 12) ** (1 / 3)  # N = 12 L d^2
    assert body + vocab * (1 if tied else 2) * width == pytest.approx(params, rel=1e-6)


@pytest.mark.parametrize("name", ["llama-3-8b", "llama-3-70b", "llama-2-7b", "llama-2-13b"])
def test_the_assumed_shape_is_within_three_per_cent_of_real_ones(name: str) -> None:
    shape = model(name)
    exact = param_counts(0.0, model_name=name).nonembedding
    assert shape.params_total is not None
    assert float(nonembedding_from_total(shape.params_total, shape.vocab, shape.tied_embeddings)) == pytest.approx(exact, rel=0.03)


def test_arrays_convert_at_once() -> None:
    sizes = np.array([1e9, 7e9, 7e10])
    assert np.all(np.diff(nonembedding_from_total(sizes, 128256) / sizes) > 0)


def test_an_unstated_vocabulary_leaves_the_count_as_it_stands_and_says_so() -> None:
    counts = param_counts(1e9)
    assert counts.nonembedding == 1e9
    assert "taken without vocabulary" in counts.assumption.source
