"""The command line. `flopwise "QUESTION"` answers; sub-commands are in server/commands, one noun a file."""

from __future__ import annotations

import argparse
import atexit
import gc
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from knowledge.errors import InputError

# Command -> module and what it does. Modules are imported only when their command is called, so that `--help` stays instant.
COMMANDS: dict[str, tuple[str, str]] = {
    "ask": ("server.commands.ask", "answer a question (also without the word `ask`)"),
    "plan": ("server.commands.plan", "make a plan document and keep it"),
    "replay": ("server.commands.plan", "recompute a kept plan, with changes where asked"),
    "law": ("server.commands.law", "list, search, show, evaluate, check and compare laws"),
    "brief": ("server.commands.brief", "show how a question is understood"),
    "fit": ("server.commands.fit", "fit a law to a table of runs"),
    "forecast": ("server.commands.fit", "predict larger runs from a table of smaller ones"),
    "design": ("server.commands.fit", "choose which small runs to do"),
    "estimate": ("server.commands.estimate", "predict tables of measured rows"),
    "serve": ("server.commands.serve", "serve the API, the chat page, the OpenAI-compatible endpoint and MCP"),
    "worker": ("server.commands.serve", "run jobs of the service on another machine"),
    "export": ("server.commands.store", "write everything an owner has in the store to a file"),
    "import": ("server.commands.store", "read what `flopwise export` wrote into the store"),
    "store": ("server.commands.store", "check the store, or move its schema to a revision"),
    "mcp": ("server.commands.mcp", "serve the tools to an MCP client over standard input and output"),
    "slack": ("server.commands.slack", "answer in Slack, over HTTP or a socket"),
    "keys": ("server.commands.keys", "create, list, rotate and revoke keys of the service"),
    "calibrate": ("server.commands.estimate", "make a profile of your own cluster"),
}
USAGE = """usage: flopwise "QUESTION" [--json] [--law ID|FILE] [--explain]
       flopwise COMMAND ...

Answers planning questions about training and serving models, with numbers from published scaling laws.

  flopwise "best model for 1e22 FLOPs on 8 H100s at under $0.20 per million tokens"

commands (flopwise COMMAND --help says more):
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of flopwise are."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and exit with status 2."""
        self.exit(2, f"flopwise: {message} (see `{self.prog} --help`)\n")


def usage() -> str:
    """The help text."""
    return USAGE + "\n".join(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit status 0 done, 1 a check failed, 2 bad input."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0 if args else 2
    if args[0] == "--version":
        from agent.compose import versions

        print(" ".join(f"{name} {text}" for name, text in versions().items()))
        return 0
    if args[0] not in COMMANDS:
        args = ["ask", *args]
    if argv is None and args[0] == "ask":
        gc.disable()  # one question, then the process ends: to look for garbage while modules load takes a fifth of the time
        atexit.register(gc.freeze)  # nor does the end have to look
    parser = _Parser(prog="flopwise")
    subparsers = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    importlib.import_module(COMMANDS[args[0]][0]).add(subparsers)
    try:
        options = parser.parse_args(args)
        return int(options.run(options) or 0)
    except InputError as error:
        print(f"flopwise: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; what it wanted it has
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
