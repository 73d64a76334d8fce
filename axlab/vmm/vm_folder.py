"""A VM's own folder `<lab>/vms/<name>/`: config.toml, vm.log, and what others keep there (disk.img, snapshots).

Nothing is written through a symbolic link: one that stands in the way is an error.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from axlab.errors import AxError

FLUSH_BYTES = 1 << 16


@dataclass
class VmFolder:
    """The folder of one VM; `path` None keeps nothing on disk. `buffer` is the part of vm.log not yet written.

    `line` is the console's line that the guest has not ended yet.
    """

    path: Path | None
    buffer: list[str] = field(default_factory=list)
    line: bytearray = field(default_factory=bytearray)
    kept: list[str] = field(default_factory=list)

    def create(self, toml: str) -> None:
        """Make the folder, or take over one that is there (its disk.img stays); vm.log begins anew.

        Raises `AxError` where that cannot be; a folder that was made then is gone again.
        """
        if self.path is None:
            return
        check_no_links(self.path)
        made = not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name, text in (("config.toml", toml), ("vm.log", "")):
                file = self.path / name
                if file.is_symlink():
                    raise AxError(f"{file} is a symbolic link; it would lead out of the VM's folder")
                file.write_text(text, encoding="utf-8")
        except OSError as error:
            if made:
                shutil.rmtree(self.path, ignore_errors=True)
            raise AxError(f"the VM's folder {self.path} cannot be written: {reason(error)}") from None

    def rewrite(self, toml: str) -> None:
        """Make the folder again if it is gone, and vm.log what it was when time has gone back to this moment."""
        self.buffer.clear()
        if self.path is None:
            return
        if not self.path.exists():
            self.create(toml)
        if self.is_own() and not (self.path / "vm.log").is_symlink():
            with suppress(OSError):  # a full disk keeps nobody from going back
                (self.path / "vm.log").write_text(self.text(), encoding="utf-8")

    def log(self, now: int, text: str) -> None:
        """A line of vm.log, with its virtual time in seconds."""
        entry = f"[{now / 1e9:12.6f}] {text}\n"
        self.buffer.append(entry)
        self.kept.append(entry)

    def console(self, now: int, data: bytes) -> None:
        """What the guest printed goes into vm.log line by line."""
        self.line += data
        while (end := self.line.find(b"\n")) >= 0:
            self.log(now, f"console: {self.line[:end].decode('utf-8', 'replace').rstrip(chr(13))}")
            del self.line[: end + 1]

    def text(self) -> str:
        """All of vm.log."""
        return "".join(self.kept)

    def flush(self) -> None:
        """Write what is new to the file."""
        if self.path is None or not self.buffer:
            self.buffer.clear()
            return
        file = self.path / "vm.log"
        if self.is_own() and not file.is_symlink():
            with suppress(OSError), file.open("a", encoding="utf-8") as stream:  # a full disk stops no guest
                stream.writelines(self.buffer)
        self.buffer.clear()

    def remove(self) -> None:
        """Delete the folder and all in it; what symbolic links in it point to stays. Raises `AxError`."""
        if self.path is not None and self.is_own():
            try:
                shutil.rmtree(self.path)
            except OSError as error:
                raise AxError(f"the VM's folder {self.path} cannot be removed: {reason(error)}") from None

    def is_own(self) -> bool:
        """Whether the folder is there, and no link has come in its place since it was made."""
        path = self.path
        return path is not None and path.is_dir() and not (path.is_symlink() or path.parent.is_symlink())


def check_no_links(path: Path) -> None:
    """`AxError` if the folder of the VM, or the folder of all VMs, is a symbolic link."""
    for folder in (path, path.parent):
        if folder.is_symlink():
            raise AxError(f"{folder} is a symbolic link; a VM's folder is never followed out of the lab")
        if folder.exists() and not folder.is_dir():
            raise AxError(f"{folder} is in the way: a VM's folder is wanted there")


def reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
