"""Figures: a spec for each thing that is drawn, its data inside, and pictures of it."""

import pytest

from agent import ask
from agent.brief import Brief
from agent.figures import png, svg

BRIEFS = {
    "Loss by size": {"task": "allocate", "compute_flops": 1e22},
    "Least loss by compute": {"task": "allocate", "compute_flops": 1e22},
    "Cost of training and serving": {"task": "cost", "params_total": 8e9, "tokens": 8e12, "inference_tokens": 5e12},
    "Speed and price": {"task": "serve", "models": ["llama-3-70b"], "n_accelerators": 4, "accelerator": "h100-sxm"},
    "Time against cost": {"task": "wall_clock", "params_total": 7e9, "tokens": 2e12, "accelerator": "h100-sxm"},
}


@pytest.mark.parametrize("title", BRIEFS)
def test_a_figure_is_drawn_with_its_data(title):
    pytest.importorskip("vl_convert", reason="needs the extra `figures`")
    found = next(spec for spec in ask(brief=Brief.read(BRIEFS[title])).figures if spec["title"].startswith(title))
    assert len(found["data"]["values"]) >= 2
    assert found["description"]
    assert svg(found).startswith("<svg")
    assert png(found, scale=1.0).startswith(b"\x89PNG")


def test_the_point_of_the_valley_is_its_lowest():
    spec = next(spec for spec in ask(brief=Brief.read(BRIEFS["Loss by size"])).figures if spec["title"].startswith("Loss by size"))
    rows = spec["data"]["values"]
    best = next(row for row in rows if row["best"])
    assert best["loss"] == min(row["loss"] for row in rows)
