"""The OpenAPI document as a file that is kept: `python -m server.openapi_file` writes it, a test holds the app to it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

PATH = Path(__file__).parent / "openapi.json"


def current() -> str:
    """The document of the app as it is now; the version is that of a release, not of a checkout."""
    from server.app import create_app
    from server.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        document = create_app(Settings(data_dir=Path(folder))).openapi()
    document["info"]["version"] = "1"
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    PATH.write_text(current(), encoding="utf8")
