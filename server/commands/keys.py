"""`flopwise keys`: create, list, rotate and revoke the keys of the service."""

from __future__ import annotations

import argparse
from typing import Any


def add(subparsers: Any) -> None:
    """Add the command to the parser."""
    keys = subparsers.add_parser("keys", help="create, list, rotate and revoke keys of the service")
    actions = keys.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="make a key; it is shown this once")
    create.add_argument("--owner", required=True, help="whose data the key opens; keys of one owner see the same")
    create.add_argument("--name", default="", help="what the key is for")
    create.add_argument("--scope", action="append", choices=("read", "write", "admin"), help="what it allows (default read and write)")
    create.add_argument("--days", type=float, help="expires after so many days (default never)")
    listing = actions.add_parser("list", help="keys by their first characters")
    listing.add_argument("--owner")
    rotate = actions.add_parser("rotate", help="a new key in place of an old one")
    rotate.add_argument("key", help="id or shown prefix")
    rotate.add_argument("--grace-days", type=float, default=1.0, help="how long the old key stays open (default 1)")
    revoke = actions.add_parser("revoke", help="close a key")
    revoke.add_argument("key", help="id or shown prefix")
    keys.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run one action. Raises InputError when there is no such key."""
    from knowledge.errors import InputError
    from server.errors import NotThere
    from server.settings import Settings
    from server.store.engine import Store

    store = Store(Settings.load().store_url)
    try:
        return _ACTIONS[options.action](options, store)
    except NotThere as error:
        raise InputError("key", str(error), "`flopwise keys list` shows them") from None
    finally:
        store.close()


def _create(options: argparse.Namespace, store: Any) -> int:
    from server.auth import create_key

    key, secret = create_key(store, options.owner, name=options.name, scopes=tuple(options.scope or ("read", "write")), days=options.days)
    _show(key.id, secret)
    return 0


def _show(ident: str, secret: str) -> None:
    print(f"{secret}\n\n{ident}: this is the only time the key is shown. Send it as\n  Authorization: Bearer {secret[:11]}...")


def _list(options: argparse.Namespace, store: Any) -> int:
    from server.auth import list_keys
    from server.store.tables import now

    moment = now()
    for key in list_keys(store, options.owner):
        state = (
            "revoked"
            if key.revoked
            else "expired"
            if key.expires and key.expires <= moment
            else f"until {key.expires[:10]}"
            if key.expires
            else "open"
        )
        print(f"{key.id}  {key.prefix}...  {key.owner:<16} {','.join(key.scopes):<17} {state:<16} {key.name}")
    return 0


def _rotate(options: argparse.Namespace, store: Any) -> int:
    from server.auth import rotate_key

    key, secret = rotate_key(store, options.key, grace_days=options.grace_days)
    _show(key.id, secret)
    return 0


def _revoke(options: argparse.Namespace, store: Any) -> int:
    from server.auth import revoke_key

    key = revoke_key(store, options.key)
    print(f"{key.id} ({key.prefix}...) of {key.owner} is closed")
    return 0


_ACTIONS = {"create": _create, "list": _list, "rotate": _rotate, "revoke": _revoke}
