"""Understanding: a question in words becomes a brief, with no language model and no network."""

from agent.understand.parser import LIMIT, Span, Understanding, check_length, observed, parse, warm

__all__ = ["LIMIT", "Span", "Understanding", "check_length", "observed", "parse", "warm"]
