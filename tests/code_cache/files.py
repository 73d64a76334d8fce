"""What tests put into a cache, and where its files have modes."""

from __future__ import annotations

import os

import pytest

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners are POSIX's")
KEY, VALUE = b"a key", b"a value" * 100
