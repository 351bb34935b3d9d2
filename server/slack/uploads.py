"""Files from and to Slack: tables of runs that are dropped, figures that are shown."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from knowledge.errors import InputError
from server.slack.blocks import Block, alt_text, figure
from server.slack.web import Refused, Unsure, Web
from server.store.engine import Store, note
from server.store.tables import Runs

log: Any = structlog.get_logger("slack")
_PAUSES = (0.2, 1.0, 4.0)  # seconds after each try of an upload
_PATIENCE = 60.0  # seconds an answer waits for one call of its picture's
_LOOKS, _LOOK_SECONDS = 20, 0.25


async def download(web: Web, file: dict[str, Any], limit: int) -> bytes:
    """The bytes of a file in Slack. The token goes to Slack's own hosts only. Raises InputError, Unsure."""
    url = str(file.get("url_private_download") or file.get("url_private") or "")
    if not _of_slack(url, web.base_url):
        raise InputError("file", "is not kept by Slack", "drop the table itself into the thread")
    if int(file.get("size") or 0) > limit:
        raise InputError("file", f"has {int(file['size']):,} bytes", f"at most {limit:,}")
    try:
        async with web.session.get(
            url, headers={"Authorization": f"Bearer {web.token}"}, allow_redirects=False, timeout=aiohttp.ClientTimeout(total=120)
        ) as reply:
            if reply.status >= 500 or reply.status == 429:
                raise Unsure(f"download: status {reply.status}")
            if reply.status != 200 or reply.content_type == "text/html":  # Slack answers a token without files:read with its sign-in page
                raise InputError("file", "cannot be read by this app", "the app needs the scope files:read and has to be in the channel")
            content = await reply.content.read(limit + 1)
            while len(content) <= limit and (more := await reply.content.read(limit + 1 - len(content))):
                content += more
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise Unsure(f"download: {type(error).__name__}") from None
    if len(content) > limit:
        raise InputError("file", "is too large", f"at most {limit:,} bytes")
    return content


def _of_slack(url: str, api_url: str) -> bool:
    target, api = urlsplit(url), urlsplit(api_url)
    if (target.scheme, target.netloc) == (api.scheme, api.netloc):
        return True
    host = target.hostname or ""
    return target.scheme == "https" and (host == "slack.com" or host.endswith(".slack.com"))


def keep_runs(store: Store, owner: str, key: str, name: str, content: bytes) -> str:
    """The id of an uploaded table in the store; the same upload is kept once. Blocks."""
    ident = f"runs_{hashlib.sha256(f'{owner}:{key}'.encode()).hexdigest()[:24]}"
    safe = name.replace("/", "_").replace("\\", "_")[-200:]
    with store.write() as session:
        if session.get(Runs, ident) is None:
            session.add(
                Runs(id=ident, owner=owner, name=safe, digest=hashlib.sha256(content).hexdigest(), size=len(content), content=content)
            )
            note(session, owner, "slack", "runs.uploaded", ident)
    return ident


async def show_figure(web: Web, spec: dict[str, Any], picture: bytes, name: str) -> Block | None:
    """An image block of an uploaded picture, or None where Slack does not take it: the answer goes out without."""
    for pause in _PAUSES:
        try:
            return figure(await _uploaded(web, alt_text(spec), picture, name), spec)
        except Unsure as error:  # another file: nobody sees one that was left on the way
            log.info("figure again", reason=str(error))
            await asyncio.sleep(pause)
        except Refused as error:
            log.info("no figure", reason=error.error)
            return None
    return None


async def _uploaded(web: Web, alt: str, picture: bytes, name: str) -> str:
    """The id of a picture that is in Slack and ready to be shown. Raises Refused, Unsure."""
    place = await web.call("files.getUploadURLExternal", tries=3, patience=_PATIENCE, filename=name, length=len(picture), alt_txt=alt)
    await web.post(place["upload_url"], patience=_PATIENCE, data=picture)
    ident = str(place["file_id"])
    await web.call("files.completeUploadExternal", tries=1, patience=_PATIENCE, files=[{"id": ident, "title": name}])
    for _ in range(_LOOKS):  # Slack looks at a file before it can be shown: a message sent sooner is refused as invalid_blocks
        file = (await web.call("files.info", tries=3, patience=_PATIENCE, file=ident)).get("file") or {}
        if file.get("mimetype"):
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return ident
