"""`flopwise serve` and `flopwise worker`: the service and further workers for its jobs."""

from __future__ import annotations

import argparse
from typing import Any


def add(subparsers: Any) -> None:
    """Add both commands to the parser."""
    serve = subparsers.add_parser("serve", help="serve the API, the chat page, the OpenAI-compatible endpoint and MCP")
    serve.add_argument("--host", help="address to bind (default 127.0.0.1, this machine alone; beyond it, keys are required)")
    serve.add_argument("--port", type=int, help="port (default 8484; 0 takes a free one)")
    serve.set_defaults(run=run_serve)
    worker = subparsers.add_parser("worker", help="run jobs from the shared PostgreSQL (FLOPWISE_DATABASE_URL)")
    worker.add_argument(
        "--name", help="name of this worker; one that starts again under its name takes up its jobs at once (default: the host's name)"
    )
    worker.set_defaults(run=run_worker)


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop. Refuses to bind beyond loopback while no key exists."""
    import signal

    import structlog
    import uvicorn

    from server import logs
    from server.app import create_app
    from server.settings import Settings

    settings = Settings.load(host=options.host, port=options.port)
    logs.configure(settings.log_level, settings.log_format)
    refuse_open(settings)
    bound = bind(settings.host, settings.port)
    config = uvicorn.Config(
        create_app(settings), log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=settings.shutdown_seconds
    )
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    structlog.get_logger("serve").info("serving", url=f"http://{host}:{bound.getsockname()[1]}")
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn stops on it and raises it again in the end, when all is done
    uvicorn.Server(config).run(sockets=[bound])
    return 0


def bind(host: str, port: int) -> Any:
    """A socket that listens there. Raises InputError."""
    import errno
    import socket

    from knowledge.errors import InputError

    try:
        return socket.create_server((host.strip("[]"), port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    except OSError as error:
        text = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise InputError("port", f"cannot listen on {host}:{port}", text) from None


def refuse_open(settings: Any) -> None:
    """Raise InputError when the store cannot be opened, or the server would be open to others and nobody has a key."""
    from knowledge.errors import InputError
    from server.auth import list_keys
    from server.store.engine import Store
    from server.store.tables import now

    if not (settings.on_loopback or settings.keys_required):
        raise InputError("host", f"{settings.host} is reachable by others and keys are switched off", "leave FLOPWISE_REQUIRE_KEYS unset")
    store = Store(settings.store_url)
    try:
        if not settings.on_loopback and not any(
            key.revoked is None and (key.expires is None or key.expires > now()) for key in list_keys(store)
        ):
            raise InputError(
                "host", f"{settings.host} is reachable by others and no key exists", "first: flopwise keys create --owner NAME"
            )
    finally:
        store.close()


def run_worker(options: argparse.Namespace) -> int:
    """Run jobs until told to stop."""
    from server import logs
    from server.jobs import work
    from server.settings import Settings

    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    work(settings, options.name)
    return 0
