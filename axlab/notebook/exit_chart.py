"""Exits by reason as a bar chart: matplotlib's, made without pyplot, so that nothing global changes."""

from __future__ import annotations

import io
from typing import Any

from axlab.notebook.picture import Picture
from axlab.trace.summary import ExitSummary

BAR, INK = "#3b82c4", "#808080"  # mid-tones: they read on dark and on light
ROW = 0.34  # inches
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "axlab", "font.family": ["DejaVu Sans", "sans-serif"]}


def exit_chart(summary: ExitSummary, of: str = "all VMs") -> Picture:
    """A bar for each reason, the most frequent on top, with counts and shares written beside it."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(7, 1.0 + ROW * max(1, len(summary))), layout="constrained")
        _draw(figure, summary, f"Exits of {of} by reason")
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    words = ", ".join(f"{one.reason} {one.count}" for one in summary) or "none"
    return Picture(file.getvalue(), f"Bar chart: exits of {of} by reason: {words}", str(summary))


def _draw(figure: Any, summary: ExitSummary, title: str) -> None:
    axes = figure.subplots()
    reasons = list(summary)
    bars = axes.barh([one.reason for one in reasons], [one.count for one in reasons], color=BAR, height=0.62)
    labels = [f"{one.count} ({100 * one.count / summary.count:.1f}%)" for one in reasons]
    axes.bar_label(bars, labels=labels, padding=5, color=INK, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_xlabel("exits", color=INK)
    axes.tick_params(colors=INK)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
