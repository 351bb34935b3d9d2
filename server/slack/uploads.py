"""Files from and to Slack: tables of runs that are dropped, figures that are shown."""

from __future__ import annotations

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
_TRIES = 4


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
    for _ in range(_TRIES):
        try:
            place = await web.call("files.getUploadURLExternal", tries=_TRIES, filename=name, length=len(picture), alt_txt=alt_text(spec))
            await web.upload(place["upload_url"], picture)
            await web.call("files.completeUploadExternal", tries=1, files=[{"id": place["file_id"], "title": name}])
        except Unsure as error:
            log.info("figure again", reason=str(error))
            continue
        except Refused as error:
            log.info("no figure", reason=error.error)
            return None
        return figure(place["file_id"], spec)
    return None
