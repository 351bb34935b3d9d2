"""Who is asking: keys, their scopes, and the caller of a request."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import bindparam
from sqlmodel import select

from knowledge.errors import InputError
from server.errors import NotThere
from server.store.engine import Store, note
from server.store.tables import ApiKey, now

PREFIX = "fw_"
SHOWN = 11  # characters of a key that may be shown: fw_ and eight more
SCOPES = ("read", "write", "admin")
LOCAL = "local"
MAX_DAYS = 36_500
_COLUMNS: tuple[Any, ...] = (ApiKey.id, ApiKey.owner, ApiKey.scopes, ApiKey.revoked, ApiKey.expires)
_KEY = select(*_COLUMNS).where(ApiKey.digest == bindparam("digest"))


@dataclass(frozen=True)
class Caller:
    """The owner a request acts for, by which key, and what the key allows."""

    owner: str = LOCAL
    key_id: str = ""
    scopes: tuple[str, ...] = SCOPES


def caller(request: Request) -> Caller:
    """The caller that the gate let in."""
    return request.scope["caller"]


Asker = Annotated[Caller, Depends(caller)]


def digest(secret: str) -> str:
    """Hash of a key or token. They are 256 random bits, so that one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def later(days: float) -> str:
    """The moment some days from now."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def create_key(
    store: Store, owner: str, *, name: str = "", scopes: tuple[str, ...] = ("read", "write"), days: float | None = None
) -> tuple[ApiKey, str]:
    """A new key and its secret, which is shown this once. Raises InputError for an unknown scope."""
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise InputError("scopes", f"{', '.join(sorted(unknown)) or 'none given'}", f"any of {', '.join(SCOPES)}")
    if not owner or len(owner) > 64:
        raise InputError("owner", "must have 1 to 64 characters")
    if days is not None and not 0 < days <= MAX_DAYS:
        raise InputError("days", f"{days:g} is out of range", "more than 0, at most 36,500")
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey(
        owner=owner,
        name=name[:200],
        prefix=secret[:SHOWN],
        digest=digest(secret),
        scopes=list(scopes),
        expires=later(days) if days else None,
    )
    with store.write() as session:
        session.add(key)
        note(session, owner, "", "key.created", key.id)
    return key, secret


def list_keys(store: Store, owner: str | None = None) -> list[ApiKey]:
    """Keys, oldest first; of one owner where given."""
    with store.read() as session:
        query = select(ApiKey).order_by(ApiKey.created)
        return list(session.exec(query if owner is None else query.where(ApiKey.owner == owner)))


def revoke_key(store: Store, key_id: str) -> ApiKey:
    """Close a key (by id or shown prefix) from now on. Raises NotThere."""
    with store.write() as session:
        key = session.exec(select(ApiKey).where((ApiKey.id == key_id) | (ApiKey.prefix == key_id))).first()
        if key is None:
            raise NotThere("key", key_id)
        key.revoked = key.revoked or now()
        session.add(key)
        note(session, key.owner, "", "key.revoked", key.id)
    return key


def rotate_key(store: Store, key_id: str, *, grace_days: float = 1.0) -> tuple[ApiKey, str]:
    """A new key with the old one's owner, name and scopes; the old one closes after the grace. Raises NotThere, InputError."""
    if not 0 <= grace_days <= MAX_DAYS:
        raise InputError("grace-days", f"{grace_days:g} is out of range", "0 to 36,500")
    with store.write() as session:
        old = session.exec(select(ApiKey).where((ApiKey.id == key_id) | (ApiKey.prefix == key_id))).first()
        if old is None or old.revoked:
            raise NotThere("open key", key_id)
        ends = later(grace_days)
        old.expires = min(old.expires, ends) if old.expires else ends
        session.add(old)
        note(session, old.owner, "", "key.rotated", old.id)
    return create_key(store, old.owner, name=old.name, scopes=tuple(old.scopes))


def look_up(store: Store, secret: str) -> Caller | None:
    """The caller of a key; None when it is unknown, revoked or expired. Asked of the store every time: a key that is revoked opens nothing more."""
    if not secret.startswith(PREFIX):
        return None
    with store.engine.connect() as connection:
        key = connection.execute(_KEY, {"digest": digest(secret)}).first()
    if key is None or key.revoked is not None or (key.expires is not None and key.expires <= now()):
        return None
    return Caller(key.owner, key.id, tuple(key.scopes))
