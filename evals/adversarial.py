"""An adversarial language model: plausible wrong numbers in every reply. Counts how many reach an answer: `python -m evals.adversarial [--runs 1000]`.

The model is replaced at the seam where replies come in, so that a run costs no network; tests/agent drive the same liar through a real server.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from agent import ask
from agent.answer import Answer
from agent.brief import LIMITS
from agent.checker import loose_numbers, strings_of, ungrounded
from agent.compose import WHAT_TO_ASK
from agent.format import quantity
from agent.model import Session
from agent.state import Context
from agent.understand import parse
from agent.wording import case_name
from evals.understanding import load
from knowledge.errors import InputError

_WORDS = (
    "seventy billion",
    "half",
    "twice",
    "siebzig Milliarden",
    "la moitié",
    "cuarenta y dos",
    "七百亿",
    "半分",
    "forty-two percent",
    "zwölf",
    "½",
    "７",
    "²",
    "s e v e n",
    "XLII",
    "ｔｗｅｎｔｙ",
    "sev\u200ben",
)


class Liar:
    """Says something wrong in the right shape: swapped fields, scaled amounts, invented names, numbers in words, digits and signs."""

    def __init__(self, question: str, seed: int) -> None:
        self.random = random.Random(seed)
        self.brief = {
            name: value for name, value in parse(question).brief.stated().items() if name not in ("missing", "language", "details")
        }

    def reply(self, schema: bool, tools: bool) -> dict[str, Any]:
        """A reply: a brief, tool calls, or prose."""
        if schema:
            return {"content": json.dumps(self._lie())}
        return {"calls": self._calls()} if tools and self.random.random() < 0.7 else {"content": self._prose()}

    def _number(self) -> float:
        return float(f"{self.random.choice((1.1, 2.5, 7, 13, 42, 70, 405)) * 10.0 ** self.random.randint(-2, 23):.4g}")

    def _lie(self) -> dict[str, Any]:
        kind = self.random.randrange(6)
        lie = dict(self.brief)
        amounts = [name for name in lie if name in LIMITS]
        if kind == 0:  # the truth, so that tools and wording are lied to as well
            return {**lie, "free_form": self.random.random() < 0.5}
        if kind == 1 and amounts:
            name = self.random.choice(amounts)
            value = lie[name]
            lie[name] = [item * 3 for item in value] if isinstance(value, list) else value * self.random.choice((0.1, 1.05, 3, 1000))
        elif kind == 2 and len(amounts) > 1:
            one, two = self.random.sample(amounts, 2)
            lie[one], lie[two] = lie[two], lie[one]
        elif kind == 3:
            lie |= {"accelerator": self.random.choice(("b200", "tpu-v6e")), "models": ["llama-3-405b"]}
        else:
            lie |= {self.random.choice(list(LIMITS)): self._number() for _ in range(self.random.randint(1, 3))}
        return lie

    def _calls(self) -> list[tuple[str, dict[str, Any]]]:
        tool = self.random.choice(("allocate", "predict_loss", "wall_clock", "cost", "memory", "serve", "sing"))
        return [
            (tool, {self.random.choice(("params_total", "tokens", "compute_flops", "n_accelerators")): self._number() for _ in range(2)})
        ]

    def _prose(self) -> str:
        said = self.random.choice(
            (
                f"{self._number():.3g} params",
                self.random.choice(_WORDS),
                "{{allocate.params_total}}0",
                f"{self.random.randint(2, 99)}%",
                "{{predict_loss.wrong}}",
            )
        )
        return f"The best choice is {said}, reaching a lower loss."


@contextmanager
def lying(liar: Liar) -> Iterator[None]:
    """Every call of a model within this block is answered by the liar."""

    def call(_self: Session, _messages: list[Any], schema: Any, tools: Any, _end: float) -> Any:
        reply = liar.reply(schema is not None, tools is not None)
        calls = [{"name": name, "args": args, "id": f"call_{i}"} for i, (name, args) in enumerate(reply.get("calls", []))]
        return SimpleNamespace(content=reply.get("content", ""), tool_calls=calls, additional_kwargs={}, usage_metadata=None)

    was, Session._call = Session._call, call  # type: ignore[method-assign]
    try:
        yield
    finally:
        Session._call = was  # type: ignore[method-assign]


def stray(answer: Answer) -> list[str]:
    """Numbers of an answer's headline that stand neither in the question nor in a result, and results of amounts no question states."""
    rendered = [quantity(value.value, value.unit) for result in answer.results for value in result.values.values()]
    texts = [
        text
        for result in answer.results
        for text in [
            *result.reasons,
            *(n.text for n in result.warnings),
            *(v.label for v in result.values.values()),
            *map(str, result.values),
            *strings_of(result.case),
            case_name(result.case),
        ]
    ]
    found = sorted(
        ungrounded(
            answer.headline,
            [
                answer.question,
                *rendered,
                *texts,
                *strings_of(answer.brief.stated()),
                *(need.example for need in answer.needs),
                *WHAT_TO_ASK,
            ],
        )
    )
    if answer.worded_by != "built-in":
        plain = answer.headline
        for text in sorted(rendered, key=len, reverse=True):
            plain = plain.replace(text, " ")
        found += loose_numbers(plain, answer.question)
    return found


def invented(answer: Answer) -> list[str]:
    """Amounts of the brief that the built-in parser, which knows the question alone, reads nowhere in it."""
    from agent.understand.grounding import Grounds

    return Grounds(answer.question, parse(answer.question).brief).problems(answer.brief)


def run(runs: int, questions: list[str], on_stray: Callable[[str, list[str]], None] = lambda _question, _found: None) -> Counter[str]:
    """Outcomes of so many runs."""
    counts: Counter[str] = Counter()
    for number in range(runs):
        question = questions[number % len(questions)]
        try:
            liar = Liar(question, number)
            with lying(liar):
                answer = ask(question, context=Context(model="openai:liar", model_timeout_seconds=60.0))
        except InputError:
            counts["refused"] += 1
            continue
        found = stray(answer) + (invented(answer) if answer.understood_by != "built-in" else [])
        counts["runs"] += 1
        counts["understood by the model"] += answer.understood_by != "built-in"
        counts["worded by the model"] += answer.worded_by != "built-in"
        counts["ungrounded"] += bool(found)
        if found:
            on_stray(question, found)
    return counts


def main() -> int:
    """Exit status 1 when a number that nothing grounds reached an answer."""
    options = argparse.ArgumentParser(prog="evals.adversarial", description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    given = options.parse_args()
    questions = [entry["question"] for entry in load()]
    counts = run(given.runs, questions, lambda question, found: print(f"{question!r}: {found}"))
    print(dict(counts))
    return int(counts["ungrounded"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
