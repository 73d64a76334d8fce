"""Rows of results as pandas DataFrames. Loaded when a frame is asked for: no command needs pandas."""

from __future__ import annotations

from typing import Any

import pandas

from axlab.shell.render import plain


def frame_of(records: list[dict[str, Any]]) -> pandas.DataFrame:
    """A DataFrame of records (column -> value); enumerations become words, nested values plain data."""
    return pandas.DataFrame([{name: plain(value) for name, value in one.items()} for one in records])
