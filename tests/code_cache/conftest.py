"""Caches that tests fill and harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from axlab.code_cache import CodeCache
from code_cache.files import KEY, VALUE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "cache" / "axlab"


@pytest.fixture
def filled(folder: Path) -> Path:
    """A cache that holds VALUE at KEY and is closed."""
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
    return folder
