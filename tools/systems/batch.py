"""Batch size as a bound of data parallelism: what a run usually takes, and the most data ranks it feeds."""

from __future__ import annotations

from knowledge.library import LawBook
from tools.law import compute


def critical_batch_tokens(tokens: float, laws: LawBook) -> float:
    """Tokens per step beyond which a larger batch costs over a fifth more tokens (Zhang et al. 2024, arXiv:2410.21676, D law)."""
    card = laws.get("zhang2024_cbs")
    return float(compute(card, "critical_batch_of_tokens", {"D": tokens}, "d_law")["CBS20_tokens"])


def default_batch_tokens(tokens: float, laws: LawBook) -> tuple[float, str]:
    """(tokens per step, source): the critical batch, rounded to a power of two, between 2^18 and 2^24 tokens."""
    critical = critical_batch_tokens(tokens, laws)
    size = 2.0**18
    while size * 2 <= critical * 1.42 and size < 2.0**24:
        size *= 2
    return size, "critical batch of the token count (Zhang et al. 2024), a power of two between 262 thousand and 16.8 million"


def most_data_ranks(sequences: float) -> float:
    """Data-parallel ranks a batch of sequences can feed: one sequence each."""
    return max(1.0, sequences)
