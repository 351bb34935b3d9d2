"""Tokens of workspaces as they lie in the store: sealed with a key of the settings, readable with older keys while keys are changed."""

from __future__ import annotations

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from knowledge.errors import InputError

VARIABLE = "FLOPWISE_SLACK_TOKEN_KEYS"
_SEALED = "sealed"


def new_key() -> str:
    """A fresh key: 32 random bytes in base64."""
    return Fernet.generate_key().decode()


class Seal:
    """Fernet (AES-128-CBC and HMAC-SHA256) under the first of the keys; what an older one sealed can be opened."""

    def __init__(self, keys: str) -> None:
        try:
            fernets = [Fernet(key.strip()) for key in keys.split(",") if key.strip()]
            self._first, self._all = fernets[0], MultiFernet(fernets)
        except (ValueError, IndexError):  # the error of the library is not passed on: it may show a key
            raise InputError(VARIABLE, "holds no key that can be used", "`flopwise slack --new-key` prints one") from None

    def close(self, data: dict[str, Any]) -> dict[str, Any]:
        """Data as it is kept."""
        return {_SEALED: self._all.encrypt(json.dumps(data).encode()).decode()}

    def open(self, kept: dict[str, Any]) -> dict[str, Any]:
        """Data out of the store; what was kept before there were keys is open already. Raises InputError under keys that do not fit."""
        if _SEALED not in kept:
            return kept
        try:
            return json.loads(self._all.decrypt(kept[_SEALED].encode()))
        except InvalidToken:
            raise InputError(VARIABLE, "holds no key that opens the tokens in the store", "put the older key behind the new one") from None

    def stale(self, kept: dict[str, Any]) -> bool:
        """Whether data is kept open or under an older key."""
        try:
            return _SEALED not in kept or not self._first.decrypt(kept[_SEALED].encode())
        except InvalidToken:
            return True
