"""A scripted OpenAI-compatible server on this machine: says what a test tells it to, in every way a real one may fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One answer: a message, or a status, or a fault on the way (`disconnect`, `drip` seconds a byte, `delay` seconds before)."""

    content: str | None = None
    calls: list[tuple[str, dict[str, Any] | str]] = field(default_factory=list)
    refusal: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay: float = 0.0
    drip: float = 0.0
    disconnect: bool = False

    def message(self) -> dict[str, Any]:
        calls = [
            {
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
            }
            for i, (name, given) in enumerate(self.calls)
        ]
        return {"role": "assistant", "content": self.content, "refusal": self.refusal, **({"tool_calls": calls} if calls else {})}


def says(data: Any) -> Reply:
    """A reply whose content is JSON."""
    return Reply(content=json.dumps(data))


Script = Callable[[dict[str, Any]], Reply]


class ScriptedModel:
    """The server. `script` gives the reply to each request; a list is used up in order, its last entry again and again."""

    def __init__(self, script: Script | list[Reply]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.stopped = threading.Event()
        replies = iter(script) if isinstance(script, list) else None
        last: list[Reply] = []

        def next_reply(request: dict[str, Any]) -> Reply:
            if replies is None:
                return script(request)  # type: ignore[operator]
            last[:] = [next(replies, last[0] if last else Reply(content=""))]
            return last[0]

        self.reply = next_reply
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                model.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a client that gave up waiting is what some tests are about

        self.server = Server(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        self.requests.append({**request, "authorization": handler.headers.get("authorization")})
        reply = self.reply(request)
        self.stopped.wait(reply.delay)
        if reply.disconnect:
            handler.close_connection = True
            handler.connection.close()
            return
        stream = bool(request.get("stream")) and reply.status == 200 and reply.body is None
        body = b"".join(events(reply)) if stream else reply.body if reply.body is not None else completion(reply)
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-type", "text/event-stream" if stream else "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        if not reply.drip:
            handler.wfile.write(body)
            return
        for byte in body:
            if self.stopped.wait(reply.drip):
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()


def completion(reply: Reply) -> bytes:
    if reply.status != 200:
        return json.dumps({"error": {"message": "scripted", "type": "error"}}).encode()
    finish = "tool_calls" if reply.calls else "stop"
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": "scripted",
            "choices": [{"index": 0, "message": reply.message(), "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    ).encode()


def events(reply: Reply) -> Iterator[bytes]:
    """The reply as server-sent events, a few characters each."""

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        data = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return f"data: {json.dumps(data)}\n\n".encode()

    yield chunk({"role": "assistant", "content": ""})
    text = reply.content or ""
    for at in range(0, len(text), 7):
        yield chunk({"content": text[at : at + 7]})
    for i, call in enumerate(reply.message().get("tool_calls", [])):
        yield chunk({"tool_calls": [{"index": i, **call}]})
    yield chunk({}, "tool_calls" if reply.calls else "stop")
    yield b"data: [DONE]\n\n"


@contextmanager
def scripted(script: Script | list[Reply]) -> Iterator[ScriptedModel]:
    """A running scripted server."""
    model = ScriptedModel(script)
    model.thread.start()
    try:
        yield model
    finally:
        model.stopped.set()
        model.server.shutdown()
        model.server.server_close()
