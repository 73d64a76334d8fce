"""A picture that every notebook shows: also one that is not trusted, on dark and on light, and in words.

JupyterLab strips `<svg>` from notebooks that it does not trust, which is every fresh clone. An `<img>` with
the picture as data survives, and so does its text.
"""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.errors import AxError


@dataclass(frozen=True)
class Picture:
    """An SVG picture. `alt` says in a sentence what it shows; `text` is the same content as text."""

    svg: str
    alt: str
    text: str

    def html(self) -> str:
        """An `<img>` that holds the picture."""
        data = base64.b64encode(self.svg.encode("utf-8")).decode("ascii")
        return f'<img alt="{html.escape(self.alt)}" src="data:image/svg+xml;base64,{data}" style="max-width:100%">'

    def save(self, path: str | Path) -> None:
        """Write the picture as an SVG file. Raises AxError."""
        try:
            Path(path).write_text(self.svg, encoding="utf-8")
        except OSError as error:
            raise AxError(f"the picture cannot be written to {path}: {error.strerror or error}") from None

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": self.text, "text/html": self.html()}
