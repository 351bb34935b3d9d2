"""Several workspaces: installations and the states of installing, in the store; and who speaks for whom."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from logging import Logger
from typing import Any

from slack_bolt.authorization import AuthorizeResult
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store import Bot, Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from sqlmodel import col, delete, select

from server.slack.memory import moment
from server.slack.sealing import Seal
from server.slack.settings import BOT_SCOPES, SlackSettings
from server.slack.tables import SlackInstallation, SlackState
from server.store.engine import Store
from server.store.tables import now

STATE_SECONDS = 600
_CACHE_SECONDS = 60.0


class Installations(AsyncInstallationStore):
    """Installations by enterprise and team, their tokens sealed; nothing here logs."""

    def __init__(self, store: Store, seal: Seal | None) -> None:
        self._store, self._seal = store, seal

    def renew_seals(self) -> int:
        """Seal what was kept open or under an older key with the first key; how many. Raises InputError under keys that do not fit."""
        if self._seal is None:
            return 0
        with self._store.write() as session:
            stale = [row for row in session.exec(select(SlackInstallation)) if self._seal.stale(row.data)]
            for row in stale:
                row.data = self._seal.close(self._seal.open(row.data))
                session.add(row)
        return len(stale)

    @property
    def logger(self) -> Logger:
        """The standard logger of this module."""
        return logging.getLogger(__name__)

    async def async_save(self, installation: Installation) -> None:
        """Keep an installation; a newer one of the same workspace takes its place."""
        await asyncio.to_thread(self._save, installation)

    def _save(self, installation: Installation) -> None:
        data = {name: value for name, value in installation.to_dict().items() if isinstance(value, str | int | float | bool)}
        with self._store.write() as session:
            session.merge(
                SlackInstallation(
                    enterprise=installation.enterprise_id or "",
                    team=_team(installation.team_id, installation.is_enterprise_install),
                    data=self._seal.close(data) if self._seal else data,
                    updated=now(),
                )
            )

    async def async_find_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None, is_enterprise_install: bool | None = False
    ) -> Installation | None:
        """The workspace's installation, or its organisation's."""
        del user_id
        data = await asyncio.to_thread(self._find, enterprise_id or "", _team(team_id, is_enterprise_install))
        return Installation(**data) if data else None

    def _find(self, enterprise: str, team: str) -> dict[str, Any] | None:
        with self._store.read() as session:
            row = session.get(SlackInstallation, (enterprise, team)) or session.get(SlackInstallation, (enterprise, ""))
            row = row or session.get(SlackInstallation, ("", team))
            # installed_at is written as text by the SDK and read back by it
            return dict(self._seal.open(row.data) if self._seal else row.data) if row else None

    async def async_find_bot(
        self, *, enterprise_id: str | None, team_id: str | None, is_enterprise_install: bool | None = False
    ) -> Bot | None:
        """The bot of the workspace's installation."""
        found = await self.async_find_installation(
            enterprise_id=enterprise_id, team_id=team_id, is_enterprise_install=is_enterprise_install
        )
        return found.to_bot() if found else None

    async def async_delete_installation(self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None) -> None:
        """Forget an installation; one person's leaving leaves it as it is."""
        if user_id is None:
            await asyncio.to_thread(self._delete, enterprise_id or "", team_id or "")

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        """Forget the bot, which is the installation."""
        await self.async_delete_installation(enterprise_id=enterprise_id, team_id=team_id)

    def _delete(self, enterprise: str, team: str) -> None:
        with self._store.write() as session:
            session.exec(
                delete(SlackInstallation).where(col(SlackInstallation.enterprise) == enterprise, col(SlackInstallation.team) == team)
            )


def renew_seals(store_url: str, settings: SlackSettings) -> None:
    """Before serving: every token kept open or under an older key gets the first one. Raises InputError under keys that do not fit."""
    if settings.token_keys is None:
        return
    store = Store(store_url)
    try:
        Installations(store, Seal(settings.token_keys.get_secret_value())).renew_seals()
    finally:
        store.close()


def _team(team: str | None, whole_organisation: bool | None) -> str:
    return "" if whole_organisation else team or ""


class States(AsyncOAuthStateStore):
    """State parameters: unguessable, kept as hashes, good once and for ten minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def logger(self) -> Logger:
        """The standard logger of this module."""
        return logging.getLogger(__name__)

    async def async_issue(self, *args: Any, **kwargs: Any) -> str:
        """A fresh state."""
        state = secrets.token_urlsafe(32)
        await asyncio.to_thread(self._issue, _digest(state))
        return state

    def _issue(self, digest: str) -> None:
        with self._store.write() as session:
            session.exec(delete(SlackState).where(col(SlackState.expires) < now()))
            session.add(SlackState(digest=digest, expires=moment(STATE_SECONDS)))

    async def async_consume(self, state: str) -> bool:
        """Whether the state was issued here lately and is used for the first time."""
        return await asyncio.to_thread(self._consume, _digest(state))

    def _consume(self, digest: str) -> bool:
        with self._store.write() as session:
            done: Any = session.exec(delete(SlackState).where(col(SlackState.digest) == digest, col(SlackState.expires) >= now()))
            return done.rowcount == 1


def _digest(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


class Speakers:
    """Which token and which bot user speak in a workspace. Remembered for a minute, so that no event waits for it."""

    def __init__(self, settings: SlackSettings, installations: Installations) -> None:
        self._settings, self._installations = settings, installations
        self._known: dict[tuple[str, str], tuple[float, str, str, str]] = {}

    async def find(self, enterprise: str, team: str) -> tuple[str, str, str] | None:
        """(token, bot user, bot id) of a workspace, or None where the app is not installed."""
        if self._settings.bot_token is not None:
            return self._settings.bot_token.get_secret_value(), "", ""  # who it is need not be known: other bots are not answered either
        known = self._known.get((enterprise, team))
        if known is not None and time.monotonic() - known[0] < _CACHE_SECONDS:
            return known[1:]
        bot = await self._installations.async_find_bot(enterprise_id=enterprise or None, team_id=team or None)
        if bot is None or not bot.bot_token:
            self._known.pop((enterprise, team), None)
            return None
        self._known[(enterprise, team)] = (time.monotonic(), bot.bot_token, bot.bot_user_id or "", bot.bot_id or "")
        return bot.bot_token, bot.bot_user_id or "", bot.bot_id or ""

    def forget(self, enterprise: str, team: str) -> None:
        """Look the workspace up anew next time."""
        self._known.pop((enterprise, team), None)

    async def authorize(self, enterprise_id: str | None, team_id: str | None, user_id: str | None = None) -> AuthorizeResult | None:
        """Bolt's question, answered without a call of the Web API."""
        found = await self.find(enterprise_id or "", team_id or "")
        if found is None:
            return None
        token, bot_user, bot = found
        return AuthorizeResult(
            enterprise_id=enterprise_id, team_id=team_id, user_id=user_id, bot_token=token, bot_user_id=bot_user or None, bot_id=bot or None
        )


def oauth_flow(settings: SlackSettings, installations: Installations, store: Store) -> AsyncOAuthFlow | None:
    """`/slack/install` and `/slack/oauth_redirect`, where workspaces install the app themselves."""
    if settings.client_id is None or settings.client_secret is None:
        return None
    given = AsyncOAuthSettings(
        client_id=settings.client_id,
        client_secret=settings.client_secret.get_secret_value(),
        scopes=list(BOT_SCOPES),
        redirect_uri=settings.redirect_url,
        install_path="/slack/install",
        redirect_uri_path="/slack/oauth_redirect",
        installation_store=installations,
        state_store=States(store),
        state_expiration_seconds=STATE_SECONDS,
    )
    return AsyncOAuthFlow(client=AsyncWebClient(base_url=settings.api_url), settings=given)
