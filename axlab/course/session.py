"""A notebook's cells run in this process, without Jupyter: how submissions and the course's own tests are run."""

from __future__ import annotations

import atexit
import json
from pathlib import Path
from typing import Any

from axlab.errors import AxError

LARGEST = 20_000_000  # bytes of a notebook that are read


class Session:
    """An IPython shell with AxLab's extension loaded. `folder` keeps what IPython writes."""

    def __init__(self, folder: Path) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "nocolor"
        self.shell: Any = InteractiveShell(  # type: ignore[no-untyped-call]
            config=config, ipython_dir=str(folder / "ipython")
        )
        atexit.unregister(self.shell.atexit_operations)
        self.shell.run_line_magic("load_ext", "axlab")

    @property
    def variables(self) -> dict[str, Any]:
        """The variables that the cells have made."""
        names: dict[str, Any] = self.shell.user_ns
        return names

    def run(self, source: str) -> Any:
        """Run a cell; the value of its last line. Raises what it raises."""
        result = self.shell.run_cell(source)
        result.raise_error()
        return result.result


def code_cells(path: Path) -> list[str]:
    """The code of a notebook file, which may be anything. Raises AxError."""
    return [cell for kind, cell in read_notebook(path)[1] if kind == "code"]


def read_notebook(path: Path) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """(metadata, (kind, source) of each cell) of a notebook file, which may be anything. Raises AxError."""
    try:
        if path.stat().st_size > LARGEST:
            raise AxError(f"more than {LARGEST:,} bytes are no notebook that is read", source=str(path))
        book = json.loads(path.read_text(encoding="utf-8"))
        cells = [(str(cell["cell_type"]), "".join(cell["source"])) for cell in book["cells"]]
        metadata = book.get("metadata", {})
    except OSError as error:
        raise AxError((error.strerror or str(error)).lower(), source=str(path)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AxError("this is no notebook", source=str(path)) from None
    return (metadata if isinstance(metadata, dict) else {}), cells
