"""Plans and figures made in processes of their own, so that the event loop always has a processor to acknowledge on."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from agent.state import Context
from knowledge.errors import InputError
from knowledge.library import LawBook
from knowledge.schema import LawCard
from server.plans import Made, PlanIn, answer_plan

Tell = Callable[[dict[str, Any]], None]
_queue: Any = None


def _begin(queue: Any) -> None:
    """In a new worker: where steps are told, and the libraries loaded before the first question."""
    global _queue
    _queue = queue
    threading.Thread(target=_end_with_parent, name="slack-parent", daemon=True).start()
    with contextlib.suppress(AttributeError, OSError):  # not on every system
        os.nice(5)  # acknowledging goes first where processors are scarce
    with contextlib.suppress(InputError):
        answer_plan("warm", PlanIn.model_validate({"question": "best model for 1e22 FLOPs"}), Context())


def _end_with_parent() -> None:
    # A worker waits at a pipe that it holds both ends of: it would outlive a parent that was killed.
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def _answer(ident: str, asked: PlanIn, cards: list[LawCard], choices: dict[str, Any]) -> Made | tuple[str, str, str]:
    """In a worker: the plan, or field, problem and remedy of bad input (exceptions of ours do not survive the way between processes)."""

    def tell(event: dict[str, Any]) -> None:
        _queue.put((ident, {"step": event["step"], "status": event["status"]}))

    try:
        return answer_plan(ident, asked, Context(laws=LawBook().with_laws(cards), **choices), tell)
    except InputError as error:
        return error.field, error.problem, error.remedy


def picture(spec: dict[str, Any]) -> bytes | None:
    """A figure as PNG, or None without the extra `figures`."""
    from agent.figures import png

    try:
        return png(spec)
    except ImportError:
        return None


class Workers:
    """A pool of processes with the face of the thread pool in `Plans`: `submit(answer_plan, ...)` and `shutdown`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._context = multiprocessing.get_context("spawn")
        self._steps: Any = self._context.SimpleQueue()
        self._tells: dict[str, Tell] = {}
        self._lock = threading.Lock()
        self._pool = self._make()
        self._listener = threading.Thread(target=self._listen, name="slack-steps", daemon=True)
        self._listener.start()

    def _make(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._number, mp_context=self._context, initializer=_begin, initargs=(self._steps,))

    def start(self) -> None:
        """Load the workers now instead of at the first question."""
        for _ in range(self._number):
            self._send(picture, {"mark": "point", "data": {"values": []}})

    def submit(self, _fn: Any, ident: str, asked: PlanIn, context: Context, tell: Tell) -> Future[Made]:
        """A plan in the making; `tell` hears the steps."""
        self._tells[ident] = tell
        choices = {
            "law": context.law,
            "model": context.model,
            "base_url": context.base_url,
            "model_timeout_seconds": context.model_timeout_seconds,
        }
        made: Future[Made] = Future()

        def ended(done: Future[Made | tuple[str, str, str]]) -> None:
            self._tells.pop(ident, None)
            if (error := done.exception()) is not None:
                made.set_exception(error)
            elif isinstance(found := done.result(), tuple):
                made.set_exception(InputError(*found))
            else:
                made.set_result(found)

        self._send(_answer, ident, asked, list(context.laws.own.values()), choices).add_done_callback(ended)
        return made

    def draw(self, spec: dict[str, Any]) -> bytes | None:
        """A figure as PNG, or None without the extra `figures`. Blocks."""
        return self._send(picture, spec).result()

    def _send(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        try:
            return self._pool.submit(call, *args)
        except BrokenProcessPool:  # a worker was killed: what it had is lost, what comes next is not
            with self._lock:
                self._pool = self._make()
            return self._pool.submit(call, *args)

    def _listen(self) -> None:
        while (told := self._steps.get()) is not None:
            ident, event = told
            tell = self._tells.get(ident)
            if tell is not None:
                tell(event)

    def shutdown(self, wait: bool = True, cancel_futures: bool = False) -> None:
        """End the workers."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        self._steps.put(None)
        self._listener.join(5)
