"""The chat page: one HTML file, its modules and style, and the drawing library, all from this server and nowhere else."""

from __future__ import annotations

import functools
import gzip
import hashlib
import importlib.util
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from server.errors import NotThere

router = APIRouter(include_in_schema=False)
TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "svg": "image/svg+xml",
}
# Nothing but this server's own files: no inline script or style, no eval, no frame around the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_BUILDING = threading.Lock()
_BUNDLE = """
import os, pathlib, sys, vl_convert
if hasattr(os, "nice"):
    os.nice(10)
pathlib.Path(sys.argv[1]).write_text(vl_convert.javascript_bundle(), encoding="utf8")
"""


@dataclass(frozen=True)
class File:
    """A file as it is sent: plain, packed, and the tag that tells whether it changed."""

    kind: str
    body: bytes
    packed: bytes
    etag: str


def _file(name: str, body: bytes) -> File:
    return File(TYPES[name.rsplit(".", 1)[1]], body, gzip.compress(body, 6, mtime=0), f'"{hashlib.sha256(body).hexdigest()[:20]}"')


@functools.cache
def static(name: str) -> File:
    """A file of the page. Raises NotThere; only names that exist are ever looked up."""
    entry = {item.name: item for item in (files("server.chat") / "static").iterdir()}.get(name)
    if entry is None or name.rsplit(".", 1)[-1] not in TYPES:
        raise NotThere("file", name)
    return _file(name, entry.read_bytes())


def _send(file: File, request: Request) -> Response:
    headers = {
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": POLICY,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.kind, headers=headers)


@router.get("/")
def index(request: Request) -> Response:
    """The page. The drawing library is made ready meanwhile, so that the first figure does not wait for it."""
    folder = request.app.state.settings.data_dir
    if not _library_file(folder).exists() and not _BUILDING.locked():
        threading.Thread(target=_prepare, args=(folder,), daemon=True).start()
    return _send(static("index.html"), request)


@router.get("/favicon.ico")
def icon(request: Request) -> Response:
    """The page's icon."""
    return _send(static("icon.svg"), request)


@router.get("/static/vega.js")
async def drawing_library(request: Request) -> Response:
    """Vega, Vega-Lite and vega-embed in one file. Raises NotThere without the extra `figures`; the page then shows the data as a table."""
    return _send(await run_in_threadpool(library, request.app.state.settings.data_dir), request)


@router.get("/static/{name}")
def asset(name: str, request: Request) -> Response:
    """A module or style sheet of the page."""
    return _send(static(name), request)


def _library_file(folder: Path) -> Path:
    try:
        return folder / f"vega-{version('vl-convert-python')}.js"
    except PackageNotFoundError:
        return folder / "vega-none.js"


def _prepare(folder: Path) -> None:
    try:
        library(folder)
    except NotThere:
        return  # without the extra there is nothing to prepare, and the page says so where a figure would be


@functools.cache
def library(folder: Path) -> File:
    """The drawing library, bundled once (about three seconds) and then kept in the data folder. Raises NotThere."""
    with _BUILDING:
        kept = _library_file(folder)
        if not kept.exists():
            if importlib.util.find_spec("vl_convert") is None:
                raise NotThere("drawing library", "vega (install flopwise[figures])")
            folder.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_suffix(".part")
            # In a process of its own: the bundler holds the interpreter's lock for seconds, and nobody else would be served.
            subprocess.run([sys.executable, "-c", _BUNDLE, str(fresh)], check=True)
            fresh.replace(kept)
        return _file("vega.js", kept.read_bytes())
