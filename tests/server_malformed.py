"""Malformed bodies: valid ones with something broken, at random from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

VALID: dict[str, Any] = {
    "/v1/plans": {"question": "best model for 1e22 FLOPs"},
    "/v1/threads": {"title": "a"},
    "/v1/shares": {"plan_id": "a"},
    "/v1/fits": {"runs": "runs_a", "bootstrap": 10},
    "/v1/jobs": {"kind": "sweep", "request": {"items": [{"question": "best model for 1e22 FLOPs"}]}},
    "/v1/estimates": {"kind": "training", "rows": [{"model": "a"}]},
    "/v1/laws/besiroglu2024/optimum": {"inputs": {"C": 1e22}},
    "/v1/tools/allocate": {"compute_flops": 1e22},
    "/v1/tools/memory": {"params_total": 7e9},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "best model for 1e22 FLOPs"}]},
}
ODD: list[Any] = [
    None,
    [],
    {},
    "",
    "\x00",
    -1,
    1e400,
    float("nan"),
    True,
    [[[]]],
    {"a": {"b": []}},
    "x" * 300,
    10**40,
    "\ud800",
    ["a", 1],
    0,
]
WRONG_TYPE: dict[str, Any] = {
    "question": {"a": 1},
    "title": [1],
    "plan_id": {"x": 2},
    "runs": 7,
    "bootstrap": "many",
    "kind": [],
    "request": "no",
    "items": 3,
    "rows": "no",
    "inputs": [],
    "compute_flops": {"a": 1},
    "params_total": [[]],
    "messages": {"a": 1},
    "role": 9,
    "content": 7,
    "C": {"a": 2},
    "model": {"a": []},
}


def broken(rng: random.Random, body: Any) -> bytes:
    """A body that no route may accept: not JSON, the wrong type at a known field, a field that does not exist, or something missing."""
    text = json.dumps(body)
    way = rng.randrange(4)
    if way == 0:
        cut = rng.randrange(1, len(text))
        return (
            (text[:cut] + rng.choice(["", "}", "\x01", "]]", '"'])).encode() if rng.random() < 0.7 else rng.randbytes(rng.randrange(1, 60))
        )
    if way == 1:
        return json.dumps(rng.choice([[], 7, "text", [body], None, True])).encode()
    changed = json.loads(text)
    holder = changed
    if way == 2:
        name = rng.choice(list(holder))
        holder[name] = WRONG_TYPE[name]
    else:
        holder["f" + str(rng.randrange(10**6))] = rng.choice([1, "a", []])
    return json.dumps(changed).encode()


def bodies(n: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """`n` pairs of path and malformed body."""
    rng = random.Random(seed)
    paths = list(VALID)
    while n > 0:
        path = rng.choice(paths)
        body = broken(rng, VALID[path])
        if acceptable(path, body):
            continue
        n -= 1
        yield path, body


def acceptable(path: str, body: bytes) -> bool:
    """Whether the break left a body that the route rightly takes: one of the valid body's shape, an empty optional one, an unknown field for OpenAI's."""
    try:
        data = json.loads(body)
    except (ValueError, UnicodeDecodeError):
        return False
    if path == "/v1/threads":
        return data is None or data == {} or alike(data, VALID[path])
    if path == "/v1/chat/completions" and isinstance(data, dict):
        data = {name: value for name, value in data.items() if name != "model" and not name.startswith("f")}
    return alike(data, VALID[path])


def alike(one: Any, other: Any) -> bool:
    """Whether two bodies have the same fields with values of the same types: a text or number cut short is still one."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) or {type(one), type(other)} == {int, float}
