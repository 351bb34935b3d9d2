"""What a tool says when the law a question names is not one it can use."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from knowledge.library import LawBook
from tools.result import Notice, Result

ToolFn = Callable[[Any, LawBook], Result]


def uses_laws(*usable: str) -> Callable[[ToolFn], ToolFn]:
    """Mark the laws a tool can answer with; any other named law is put in the answer's warnings.

    Raises InputError (with the nearest ids) for a law that does not exist.
    """

    def wrap(fn: ToolFn) -> ToolFn:
        @functools.wraps(fn)
        def checked(request: Any, laws: LawBook) -> Result:
            card = None if request.law is None or request.law in usable else laws.get(request.law)
            result = fn(request, laws)
            if card is not None:
                text = f"{card.id} does not bear on this question; the answer rests on {usable[0]}."
                result.warnings.insert(0, Notice(level="caution", text=text, source=card.id))
            return result

        return checked

    return wrap
