"""The file of a snapshot of one VM: the sections of any snapshot file, with the VM's pages by their places in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from axlab import __version__
from axlab.machine.memory import PAGE_SIZE
from axlab.time.decoding import WRONG
from axlab.time.on_disk import packed, pages_by_number, pairs_of, split
from axlab.time.one_vm import KeptVm, PagesOfFile
from axlab.time.snapshot_file import Contents, damaged


def contents_of(lab: Any, kept: KeptVm, state: str) -> Contents:
    """A VM as the contents of a file; `state` is for its header."""
    document = kept.document | {"blobs": [len(blob) for blob in kept.blobs]}
    pages = kept.pages.contents(lab.board.memory)
    header = {
        "name": kept.name,
        "axlab": __version__,
        "time": document["now"],
        "one": kept.id,
        "vms": [{"id": kept.id, "name": kept.vm_name, "state": state}],
        "touched": len(pages) * PAGE_SIZE,
        "fingerprint": "",
    }
    return Contents(header, packed(document, kept.blobs, pages))


def kept_of(contents: Contents, path: Path) -> KeptVm:
    """The VM of a file. Raises `AxError` for a file that says nothing sensible."""
    try:
        document = json.loads(contents.sections[b"stat"])
        blobs = split(contents.sections[b"blob"], document["blobs"])
        pages = pages_by_number(contents, pairs_of(contents))
        kept = KeptVm(path.stem, document, blobs, PagesOfFile(pages))
        if type(kept.document["vm"]) is not int or type(kept.document["config"]) is not str:
            raise TypeError("it says of no VM that it is kept")
    except WRONG as error:
        raise damaged(path, f"its state cannot be read: {error}") from None
    return kept


def put(lab: Any, contents: Contents, path: Path) -> None:
    """Make one VM of a lab what a file says. Raises `AxError`, with the lab as it was."""
    kept = kept_of(contents, path)
    try:
        lab.hypervisor.put_back(kept)
    except WRONG as error:
        raise damaged(path, f"its state cannot be read: {error}") from None
