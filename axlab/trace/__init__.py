"""Observers of a lab: what happened, as columns, frames, sums, files and a fingerprint."""

from __future__ import annotations

from axlab.trace.trace import Trace

__all__ = ["Trace"]
