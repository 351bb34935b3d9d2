"""`flopwise export`, `flopwise import`, `flopwise store`: everything an owner has as one file, and the state of the database."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(subparsers: Any) -> None:
    """Add the commands to the parser."""
    export = subparsers.add_parser("export", help="write everything an owner has in the store to a file")
    export.add_argument("--owner", default="local", help="whose (default local, the one of a server without keys)")
    export.add_argument("--out", default="-", metavar="FILE.jsonl", help="where to (default standard output)")
    export.set_defaults(run=run_export)
    bring = subparsers.add_parser("import", help="read what `flopwise export` wrote into the store")
    bring.add_argument("file", metavar="FILE.jsonl")
    bring.add_argument("--owner", default="local", help="who owns it from now on (default local)")
    bring.set_defaults(run=run_import)
    store = subparsers.add_parser("store", help="check the store, or move its schema to a revision")
    store.add_argument("action", choices=("check", "upgrade", "downgrade"))
    store.add_argument("revision", nargs="?", help="revision (default: head for upgrade)")
    store.set_defaults(run=run_store)


def _store(*, migrate: bool = True) -> Any:
    from server.settings import Settings
    from server.store.engine import Store

    return Store(Settings.load().store_url, migrate=migrate)


def run_export(options: argparse.Namespace) -> int:
    """Write the rows, one JSON object a line."""
    from knowledge.errors import InputError
    from server.store.transfer import export_rows

    store = _store()
    try:
        if options.out == "-":
            sys.stdout.writelines(export_rows(store, options.owner))
            return 0
        try:
            with open(options.out, "w", encoding="utf8") as file:
                file.writelines(export_rows(store, options.owner))
        except OSError as error:
            raise InputError("out", f"cannot write {options.out!r}", error.strerror or "") from None
        return 0
    finally:
        store.close()


def run_import(options: argparse.Namespace) -> int:
    """Read rows; all of them or none."""
    from knowledge.errors import InputError
    from server.store.transfer import import_rows

    store = _store()
    try:
        with open(options.file, encoding="utf8") as file:
            counts = import_rows(store, options.owner, file)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file", f"cannot read {options.file!r}", getattr(error, "strerror", None) or "not a text file") from None
    finally:
        store.close()
    print(", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing new")
    return 0


def run_store(options: argparse.Namespace) -> int:
    """Exit status 1 when the check finds a fault. Raises InputError for a downgrade that does not say how far."""
    from knowledge.errors import InputError
    from server.store.engine import downgrade, upgrade

    if options.action == "downgrade" and options.revision is None:
        raise InputError("revision", "is missing", "a revision to go down to; `base` takes every table away, with all that is in it")
    store = _store(migrate=False)
    try:
        if options.action == "check":
            found = store.check()
            print(found)
            return 0 if found == "ok" else 1
        (upgrade if options.action == "upgrade" else downgrade)(store.engine, options.revision or "head")
        return 0
    finally:
        store.close()
