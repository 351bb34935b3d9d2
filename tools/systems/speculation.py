"""Speculative decoding: a draft proposes tokens, the model checks them in one step (Leviathan et al. 2023, arXiv:2211.17192)."""

from __future__ import annotations

from tools.systems.serving import Serving

_DRAFT_COST = 0.05  # seconds of one draft step over one of the model: a draft of a few percent of the size, or extra heads


def expected_tokens(acceptance: float, drafted: int) -> float:
    """Tokens a step yields when each drafted token is accepted with probability `acceptance`: (1 - a^(g+1)) / (1 - a), their eq. 1."""
    return (1.0 - acceptance ** (drafted + 1)) / (1.0 - acceptance)


def speculative_rate(served: Serving, drafted: int, acceptance: float, draft_cost: float = _DRAFT_COST) -> float:
    """Output tokens/s with speculation: a step now multiplies (drafted + 1) times the tokens; weights and cache are read once.

    The step's weights part grows once arithmetic outweighs reading; `draft_cost` is one draft step over one model step.
    """
    parts, tokens = served.parts, float(drafted + 1)
    read, products = parts["read"], parts["products"]
    wider = (read**3 + (products * tokens) ** 3) ** (1.0 / 3.0)
    step = wider + parts["cache"] + parts["collectives"] + parts["host"] + drafted * draft_cost * served.tpot_s
    plain = served.tpot_loaded_s
    other = plain - served.tpot_s  # prompts take what they took
    return served.output_tokens_per_s * plain / (other + step / expected_tokens(acceptance, drafted))
