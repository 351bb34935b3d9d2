"""`flopwise mcp`: the tools for an MCP client, over standard input and output."""

from __future__ import annotations

import argparse
from typing import Any


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    mcp = subparsers.add_parser("mcp", help="serve the tools to an MCP client over standard input and output")
    mcp.set_defaults(run=run)


def run(_options: argparse.Namespace) -> int:
    """Serve until the client hangs up. Logs go to standard error."""
    import anyio

    from server import logs
    from server.mcp import serve_stdio

    logs.configure("WARNING")
    anyio.run(serve_stdio)
    return 0
