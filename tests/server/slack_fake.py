"""A local Slack: Web API that checks every argument, file uploads, OAuth and socket mode; with faults on demand. Runs in a thread of its own."""

# ruff: noqa: N802 - methods are named after those of the Web API

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
from aiohttp import WSMsgType, web

from server.slack.limits import chunk_problems, message_problems, view_problems

SECRET, TOKEN, APP_TOKEN, TEAM, BOT = (
    "8f742231b10e8888abcd99yyyzzz85a5",
    "xoxb-1-fake-bot-token",
    "xapp-1-fake-app-token",
    "T0TEAM",
    "U0BOT",
)

# Method: (required, optional) arguments beside the token, as documented at docs.slack.dev/reference/methods.
METHODS: dict[str, tuple[set[str], set[str]]] = {
    "auth.test": (set(), set()),
    "chat.postMessage": ({"channel", "text"}, {"blocks", "thread_ts", "metadata", "unfurl_links", "unfurl_media", "reply_broadcast"}),
    "chat.postEphemeral": ({"channel", "user", "text"}, {"blocks", "thread_ts"}),
    "chat.update": ({"channel", "ts", "text"}, {"blocks", "metadata"}),
    "chat.delete": ({"channel", "ts"}, set()),
    "chat.startStream": (
        {"channel", "thread_ts"},
        {"recipient_user_id", "recipient_team_id", "task_display_mode", "chunks", "markdown_text"},
    ),
    "chat.appendStream": ({"channel", "ts"}, {"chunks", "markdown_text"}),
    "chat.stopStream": ({"channel", "ts"}, {"chunks", "blocks", "metadata", "markdown_text"}),
    "conversations.replies": ({"channel", "ts"}, {"include_all_metadata", "limit", "cursor"}),
    "conversations.history": ({"channel"}, {"include_all_metadata", "limit", "cursor"}),
    "files.getUploadURLExternal": ({"filename", "length"}, {"alt_txt"}),
    "files.info": ({"file"}, set()),
    "conversations.open": ({"users"}, set()),
    "files.completeUploadExternal": ({"files"}, {"channel_id", "thread_ts", "initial_comment"}),
    "views.open": ({"trigger_id", "view"}, set()),
    "views.publish": ({"user_id", "view"}, set()),
    "assistant.threads.setStatus": ({"channel_id", "thread_ts", "status"}, set()),
    "assistant.threads.setSuggestedPrompts": ({"channel_id", "prompts"}, {"thread_ts", "title"}),
    "oauth.v2.access": ({"client_id", "client_secret", "code"}, {"redirect_uri"}),
    "apps.connections.open": (set(), set()),
}


_NO_JSON = {"conversations.history", "conversations.replies", "files.getUploadURLExternal", "files.info"}  # as documented


@dataclass
class Fault:
    """What happens instead of a method's answer: `status` 429 or 500, `code` an error, or a hang; `done`: after it was carried out.

    `method` may also be `upload` or `response_url`, or `*`. `channel`: only there.
    """

    method: str
    status: int = 200
    code: str = ""
    hang: float = 0.0
    done: bool = False
    retry_after: int = 1
    channel: str = ""


@dataclass
class FakeSlack:
    """State of the workspace and what was called. `violations` must stay empty."""

    calls: list[tuple[str, dict[str, Any], float]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    messages: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    ephemeral: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    homes: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    downloads: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=lambda: {TOKEN: TEAM})
    acknowledged: dict[str, tuple[float, Any]] = field(default_factory=dict)
    responses: list[dict[str, Any]] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)  # channels the app is no member of
    open_to_all: set[str] = field(default_factory=set)  # public ones: it may post there without being able to read
    delay: float = 0.0
    looks: int = 1  # how often files.info is asked before a file is ready
    hanging: list[Fault] = field(default_factory=list)  # the faults that were met
    _triggers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._count = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._sockets: list[web.WebSocketResponse] = []
        self._thread = threading.Thread(target=self._serve, name="fake-slack", daemon=True)

    def __enter__(self) -> FakeSlack:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        await self._runner.cleanup()
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def response_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/respond"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=50_000_000)
        app.router.add_post("/api/{method}", self._api)
        app.router.add_post("/upload/{id}", self._upload)
        app.router.add_get("/files/{name}", self._download)
        app.router.add_post("/respond", self._respond)
        app.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)

        async def start() -> None:
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", 0)
            await site.start()
            self.port = self._runner.addresses[0][1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    def reset(self) -> None:
        """Forget what was said and called; ids go on."""
        for kept in (
            self.calls, self.violations, self.messages, self.ephemeral, self.views, self.homes, self.files, self.faults, self.responses,
            self.hanging, self.closed, self.open_to_all,
        ):  # fmt: skip
            kept.clear()
        self.looks = 1

    def ts(self) -> str:
        return f"{int(time.time())}.{next(self._count):06d}"

    def answers(self, channel: str = "C0CHAN") -> list[dict[str, Any]]:
        """Messages of the bot that hold blocks, in order."""
        return [item for (where, _), item in self.messages.items() if where == channel and item.get("blocks") and not item.get("deleted")]

    def called(self, method: str) -> list[dict[str, Any]]:
        return [args for name, args, _ in self.calls if name == method]

    async def _api(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        body = await request.text()
        args = json.loads(body) if request.content_type == "application/json" and body else {**request.query, **dict(parse_qsl(body))}
        authorization = request.headers.get("Authorization", "")
        token = authorization.removeprefix("Bearer ") or args.pop("token", "")
        if authorization.startswith("Basic "):  # how an app shows its id and secret
            args["client_id"], args["client_secret"] = base64.b64decode(authorization[6:]).decode().split(":")
        self.calls.append((method, args, time.monotonic()))
        if self.delay:
            await asyncio.sleep(self.delay)
        if method in _NO_JSON and request.content_type == "application/json":
            self.violations.append(f"{method}: takes no JSON")
        return await self._faulty(method, args.get("channel", ""), lambda: web.json_response(self._answer(method, args, token)))

    async def _faulty(self, method: str, channel: str, carry_out: Callable[[], web.Response]) -> web.Response:
        """The answer, unless a fault is set for the call."""
        fault = next((item for item in self.faults if item.method in (method, "*") and item.channel in ("", channel)), None)
        if fault is None:
            return carry_out()
        self.faults.remove(fault)
        if fault.done:
            carry_out()
        self.hanging.append(fault)
        if fault.hang:
            await asyncio.sleep(fault.hang)
        if fault.status == 429:
            return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(fault.retry_after)})
        if fault.status >= 400:
            return web.Response(status=fault.status, text="<html>oops</html>", content_type="text/html")
        return web.json_response({"ok": False, "error": fault.code or "internal_error"})

    def _answer(self, method: str, args: dict[str, Any], token: str) -> dict[str, Any]:
        if method not in METHODS:
            self.violations.append(f"unknown method {method}")
            return {"ok": False, "error": "unknown_method"}
        required, optional = METHODS[method]
        wrong = [f"missing {name}" for name in required - set(args)] + [f"unknown {name}" for name in set(args) - required - optional]
        if wrong:
            self.violations.append(f"{method}: {wrong}")
            return {"ok": False, "error": "invalid_arguments"}
        if method not in ("oauth.v2.access", "apps.connections.open") and token not in self.tokens:
            return {"ok": False, "error": "invalid_auth"}
        problems = message_problems(args["blocks"]) if "blocks" in args else view_problems(args["view"]) if "view" in args else []
        problems += chunk_problems(args.get("chunks") or [])
        if problems:
            self.violations.append(f"{method}: {problems[:3]}")
            return {"ok": False, "error": "invalid_blocks"}
        for block in args.get("blocks") or []:
            if block["type"] == "image" and self.files.get(block["slack_file"]["id"], {}).get("looks", 1) > 0:
                self.violations.append(f"{method}: file not uploaded or not ready")
                return {"ok": False, "error": "invalid_blocks"}
        return (
            {"ok": True, **getattr(self, "_" + method.replace(".", "_"))(args, token)}
            if hasattr(self, "_" + method.replace(".", "_"))
            else {"ok": True}
        )

    def _put(self, args: dict[str, Any], **more: Any) -> dict[str, Any]:
        ts = self.ts()
        kept = {name: args.get(name) for name in ("channel", "text", "blocks", "thread_ts", "metadata")}
        self.messages[(args["channel"], ts)] = {**kept, "ts": ts, "user": BOT, **more}
        return {"ts": ts, "channel": args["channel"]}

    def _chat_postMessage(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        if args["channel"] in self.closed:
            return {"ok": False, "error": "channel_not_found"}
        return self._put(args, team=self.tokens[token])

    def _chat_postEphemeral(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        if args["channel"] in self.closed:
            return {"ok": False, "error": "channel_not_found"}
        self.ephemeral.append(args)
        return {"message_ts": self.ts()}

    def _find(self, args: dict[str, Any]) -> dict[str, Any] | None:
        found = self.messages.get((args["channel"], args["ts"]))
        return None if found is None or found.get("deleted") else found

    def _chat_update(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        found = self._find(args)
        if found is None:
            return {"ok": False, "error": "message_not_found"}
        if found.get("streaming"):
            return {"ok": False, "error": "streaming_state_conflict"}
        found.update({name: args[name] for name in ("text", "blocks", "metadata") if name in args}, edited=True)
        return {"ts": args["ts"]}

    def _chat_delete(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        found = self._find(args)
        if found is None:
            return {"ok": False, "error": "message_not_found"}
        found["deleted"] = True
        return {}

    def _chat_startStream(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        if not args["channel"].startswith("D") and not {"recipient_user_id", "recipient_team_id"} <= set(args):
            return {"ok": False, "error": "missing_recipient"}
        return self._put({**args, "text": ""}, streaming=True, steps=list(args.get("chunks") or []))

    def _chat_appendStream(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        found = self._find(args)
        if found is None or not found.get("streaming"):
            return {"ok": False, "error": "message_not_in_streaming_state"}
        found["steps"] += args.get("chunks") or []
        return {}

    def _chat_stopStream(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        reply = self._chat_appendStream(args, token)
        if reply:
            return reply
        found = self._find(args)
        assert found is not None
        found.update(streaming=False, **{name: args[name] for name in ("blocks", "metadata") if name in args})
        return {"ts": args["ts"]}

    def _listed(self, keep: Any) -> dict[str, Any]:
        return {"messages": [item for item in self.messages.values() if keep(item) and not item.get("deleted")], "has_more": False}

    def _conversations_replies(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        return self._listed(lambda item: item["channel"] == args["channel"] and item.get("thread_ts") == args["ts"])

    def _conversations_history(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        if args["channel"] in self.closed | self.open_to_all:
            return {"ok": False, "error": "not_in_channel"}
        return self._listed(lambda item: item["channel"] == args["channel"] and not item.get("thread_ts"))

    def _files_getUploadURLExternal(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        ident = f"F{next(self._count):08d}"
        self.files[ident] = {"length": int(args["length"]), "alt": args.get("alt_txt", "")}
        return {"file_id": ident, "upload_url": f"http://127.0.0.1:{self.port}/upload/{ident}"}

    def _files_completeUploadExternal(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        files = json.loads(args["files"]) if isinstance(args["files"], str) else args["files"]
        for item in files:
            if len(self.files[item["id"]].get("content", b"")) != self.files[item["id"]]["length"]:
                return {"ok": False, "error": "file_not_found"}
            self.files[item["id"]]["looks"] = self.looks
        return {"files": files}

    def _files_info(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        file = self.files[args["file"]]
        file["looks"] = max(0, file["looks"] - 1)
        return {"file": {"id": args["file"], "mimetype": "" if file["looks"] else "image/png"}}

    def _conversations_open(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        return {"channel": {"id": f"D{args['users']}"}}

    def _views_open(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        if args["trigger_id"] in self._triggers:
            return {"ok": False, "error": "trigger_exchanged"}
        self._triggers.add(args["trigger_id"])
        self.views.append(args["view"])
        return {"view": {"id": f"V{next(self._count)}"}}

    def _views_publish(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        self.homes[args["user_id"]] = args["view"]
        return {}

    def _oauth_v2_access(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        team = args["code"].removeprefix("code-")
        self.tokens[f"xoxb-{team}-secret"] = team
        return {
            "access_token": f"xoxb-{team}-secret",
            "token_type": "bot",
            "scope": "chat:write",
            "bot_user_id": BOT,
            "app_id": "A1",
            "team": {"id": team, "name": team},
            "enterprise": None,
            "authed_user": {"id": "U9"},
            "is_enterprise_install": False,
        }

    def _auth_test(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        return {
            "team_id": self.tokens[token],
            "user_id": BOT,
            "bot_id": "B0BOT",
            "user": "flopwise",
            "team": "team",
            "url": "http://x.test/",
        }

    def _apps_connections_open(self, args: dict[str, Any], token: str) -> dict[str, Any]:
        return {"url": f"ws://127.0.0.1:{self.port}/socket"} if token == APP_TOKEN else {"ok": False, "error": "invalid_auth"}

    async def _upload(self, request: web.Request) -> web.Response:
        content = await request.read()

        def keep() -> web.Response:
            self.files[request.match_info["id"]]["content"] = content
            return web.Response(text="OK")

        return await self._faulty("upload", "", keep)

    async def _download(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        return web.Response(body=self.downloads[request.match_info["name"]], content_type="text/csv")

    async def _respond(self, request: web.Request) -> web.Response:
        said = await request.json()

        def keep() -> web.Response:
            self.responses.append(said)
            return web.Response(text="ok")

        return await self._faulty("response_url", "", keep)

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}})
        async for message in socket:
            if message.type == WSMsgType.TEXT and message.data.startswith("{"):
                data = json.loads(message.data)
                self.acknowledged[data["envelope_id"]] = (time.monotonic(), data.get("payload"))
        self._sockets.remove(socket)
        return socket

    def push(self, kind: str, payload: dict[str, Any], envelope: str) -> float:
        """Send an envelope over the socket; the moment it was sent."""
        text = json.dumps({"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": kind != "events_api"})
        asyncio.run_coroutine_threadsafe(self._sockets[-1].send_str(text), self._loop).result(5)
        return time.monotonic()

    def disconnect(self) -> None:
        """Close the socket, as Slack does every few hours."""
        asyncio.run_coroutine_threadsafe(self._sockets[-1].close(), self._loop).result(5)

    @property
    def connected(self) -> int:
        return len(self._sockets)


class Sender:
    """Slack's side of HTTP: requests signed as Slack signs them."""

    def __init__(self, url: str, secret: str = SECRET) -> None:
        self.url, self._secret = url, secret
        self._http = httpx.Client(timeout=30)

    def close(self) -> None:
        self._http.close()

    def signed(self, body: str, kind: str, at: float | None = None) -> dict[str, str]:
        moment = str(int(time.time() if at is None else at))
        digest = hmac.new(self._secret.encode(), f"v0:{moment}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": moment, "X-Slack-Signature": f"v0={digest}", "Content-Type": kind}

    def event(self, event: dict[str, Any], event_id: str, team: str = TEAM, retry: int = 0, **more: Any) -> httpx.Response:
        body = json.dumps(
            {
                "token": "verification",
                "type": "event_callback",
                "team_id": team,
                "api_app_id": "A1",
                "event": event,
                "event_id": event_id,
                "event_time": int(time.time()),
                "authorizations": [{"team_id": team, "user_id": BOT, "is_bot": True}],
                "n": next(_unique),
                **more,
            }
        )
        headers = self.signed(body, "application/json") | (
            {"X-Slack-Retry-Num": str(retry), "X-Slack-Retry-Reason": "http_timeout"} if retry else {}
        )
        return self._http.post(f"{self.url}/slack/events", content=body, headers=headers)

    def interaction(self, payload: dict[str, Any], team: str = TEAM) -> httpx.Response:
        payload = {
            "team": {"id": team, "domain": "x"},
            "enterprise": None,
            "api_app_id": "A1",
            "trigger_id": f"trigger.{next(_unique)}",
            "n": next(_unique),
            **payload,
        }
        body = urlencode({"payload": json.dumps(payload)})
        return self._http.post(f"{self.url}/slack/events", content=body, headers=self.signed(body, "application/x-www-form-urlencoded"))

    def command(self, text: str, user: str = "U1", channel: str = "C0CHAN", **more: str) -> httpx.Response:
        body = urlencode(
            {
                "command": "/flopwise",
                "text": text,
                "team_id": TEAM,
                "channel_id": channel,
                "user_id": user,
                "trigger_id": f"trigger.{next(_unique)}",
                "response_url": "",
                "api_app_id": "A1",
                **more,
            }
        )
        return self._http.post(f"{self.url}/slack/events", content=body, headers=self.signed(body, "application/x-www-form-urlencoded"))

    def raw(self, body: str, headers: dict[str, str]) -> httpx.Response:
        return self._http.post(f"{self.url}/slack/events", content=body, headers=headers)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._http.get(self.url + path, **more)


_unique = itertools.count(1)


def mention(text: str, ts: str, user: str = "U1", channel: str = "C0CHAN", **more: Any) -> dict[str, Any]:
    """An app_mention event."""
    return {
        "type": "app_mention",
        "user": user,
        "text": f"<@{BOT}> {text}",
        "ts": ts,
        "channel": channel,
        "event_ts": ts,
        "channel_type": "channel",
        **more,
    }


def press(
    action: str, value: str, message_ts: str, thread_ts: str, user: str = "U1", channel: str = "C0CHAN", ephemeral: bool = False
) -> dict[str, Any]:
    """A block_actions payload of one button."""
    return {
        "type": "block_actions",
        "user": {"id": user, "team_id": TEAM},
        "channel": {"id": channel},
        "response_url": "",
        "container": {
            "type": "message",
            "message_ts": message_ts,
            "thread_ts": thread_ts,
            "channel_id": channel,
            "is_ephemeral": ephemeral,
        },
        "message": {"ts": message_ts, "thread_ts": thread_ts},
        "actions": [{"type": "button", "action_id": action, "value": value, "block_id": "b"}],
    }


def submit(view: dict[str, Any], values: dict[str, str], user: str = "U1") -> dict[str, Any]:
    """A view_submission payload of a view that was opened, with some of its inputs filled in (others keep their initial value)."""
    state: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            element = block["element"]
            given = values.get(block["block_id"], element.get("initial_value"))
            kind = element["type"]
            held = {
                "plain_text_input": {"value": given},
                "static_select": {"selected_option": {"value": given}},
                "conversations_select": {"selected_conversation": given},
            }[kind]
            state[block["block_id"]] = {"value": {"type": kind, **held}}
    opened = {name: view[name] for name in ("type", "callback_id", "private_metadata", "title", "blocks")}
    return {
        "type": "view_submission",
        "user": {"id": user, "team_id": TEAM},
        "view": {**opened, "id": f"V{next(_unique)}", "hash": str(next(_unique)), "state": {"values": state}},
    }
