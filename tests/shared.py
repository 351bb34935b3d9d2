"""Where the big shared tables are, when they are there: tests that use them skip, saying so, when they are not."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared"


def shared_path(relative: str) -> Path:
    """Path of a file below ../shared; skips the test when this checkout has none."""
    path = ROOT / relative
    if not path.exists():
        pytest.skip(f"needs ../shared/{relative}, which this checkout does not have")
    return path
