"""Errors a person can act on: each names the field, what was wrong and what would be right."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input. `str(error)` is one line fit for a terminal, an API problem document or a chat message."""

    def __init__(self, field: str, problem: str, remedy: str = "") -> None:
        self.field = field
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{field}: {problem}" + (f" ({remedy})" if remedy else ""))


class MissingInput(InputError):
    """A question that cannot be computed yet. `alternatives` lists sets of fields, any one of which would do."""

    def __init__(self, alternatives: tuple[tuple[str, ...], ...], what: str = "this question") -> None:
        self.alternatives = alternatives
        ways = " or ".join(" + ".join(fields) for fields in alternatives)
        super().__init__(alternatives[0][0], f"{what} needs more to go on", f"give {ways}")
