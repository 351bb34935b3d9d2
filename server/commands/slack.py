"""`flopwise slack`: the planner in Slack, over HTTP or a socket."""

from __future__ import annotations

import argparse
from typing import Any


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    slack = subparsers.add_parser("slack", help="answer in Slack (settings by FLOPWISE_SLACK_*; --manifest prints the app's manifest)")
    slack.add_argument("--socket", action="store_true", help="socket mode: nothing of yours has to be reachable from outside")
    slack.add_argument("--host", help="address to bind (default 127.0.0.1; put a TLS proxy in front)")
    slack.add_argument("--port", type=int, help="port (default 8585)")
    slack.add_argument(
        "--manifest", metavar="URL", nargs="?", const="", help="print the app manifest for the public URL of this server and exit"
    )
    slack.add_argument("--new-key", action="store_true", help="print a key for FLOPWISE_SLACK_TOKEN_KEYS and exit")
    slack.set_defaults(run=run_slack)


def run_slack(options: argparse.Namespace) -> int:
    """Serve until told to stop, or print the manifest or a key."""
    if options.manifest is not None:
        print(manifest(options.manifest, socket=options.socket))
        return 0
    if options.new_key:
        from server.slack.sealing import new_key

        print(new_key())
        return 0
    import sys

    from server import logs
    from server.settings import Settings
    from server.slack.oauth import renew_seals
    from server.slack.settings import SlackSettings

    settings, service = SlackSettings.load(host=options.host, port=options.port), Settings.load()
    settings.require(options.socket)
    logs.configure(service.log_level, service.log_format)
    renew_seals(service.store_url, settings)
    sys.setswitchinterval(0.001)  # the event loop gets its turn soon while plans are made in threads
    if options.socket:
        import asyncio

        asyncio.run(_socket(settings, service))
        return 0
    import uvicorn

    from server.slack.app import create_app

    uvicorn.run(
        create_app(settings, service),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=service.shutdown_seconds,
    )
    return 0


async def _socket(settings: Any, service: Any) -> None:
    import asyncio
    import signal

    from server.slack.app import run_socket

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_socket(settings, service, stop)


def manifest(url: str, *, socket: bool) -> str:
    """The app manifest as JSON, for a public URL or for socket mode."""
    import json
    from importlib.resources import files

    text = (files("server.slack") / "manifest.json").read_text(encoding="utf8")
    if url:
        text = text.replace("https://YOUR-HOST", url.rstrip("/"))
    data = json.loads(text)
    if socket:
        data["settings"]["socket_mode_enabled"] = True
        data["settings"]["event_subscriptions"].pop("request_url")
        data["settings"]["interactivity"].pop("request_url")
        data["oauth_config"].pop("redirect_urls")
        data["features"]["slash_commands"][0].pop("url")
    return json.dumps(data, indent=2)
