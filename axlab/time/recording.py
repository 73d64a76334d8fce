"""Recordings: all that came into a lab from outside, as a small file that anybody can replay.

A recording is JSON, a line for each thing: the lab's settings; each image by its hash, with its bytes if it is small;
each command with the virtual time and the position of the machine at which it was given; what happened, as digests;
and where it ended. docs/time.md describes it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from axlab import __version__
from axlab.errors import AxError
from axlab.time.branches import Command, Place
from axlab.time.digests import of_trace
from axlab.time.history import History
from axlab.time.recorded_start import Start, start_at
from axlab.vmm.config import VmConfig, parse_config
from axlab.vmm.scheduler import SCHEDULERS

VERSION = 1
SMALL = 1 << 18  # bytes of an image that is put into the file
IMAGES = ("kernel_path", "bios_path", "dtb_path", "ramdisk_path", "disk_path")
BUILT_IN = "axlab:"
ARGUMENTS: dict[str, dict[str, type]] = {
    "create": {"config": VmConfig},
    "start": {"vm": int},
    "stop": {"vm": int, "force": bool},
    "suspend": {"vm": int},
    "resume": {"vm": int},
    "remove": {"vm": int, "keep_data": bool},
    "reset": {"vm": int},
    "inject": {"vm": int, "vcpu": int, "intid": int},
    "console_input": {"vm": int, "data": bytes},
    "set_affinity": {"vm": int, "vcpu": int, "mask": int},
}
"""The commands that a file may have, and what their arguments are."""

WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, zlib.error)


@dataclass(frozen=True)
class ImageFile:
    """An image by its hash: where it was, and its bytes if they are in the recording."""

    path: str
    sha256: str
    data: bytes | None = None


@dataclass(frozen=True)
class Recording:
    """What came from outside, in its order, up to `end`. `events` are digests, None where there was no whole trace.

    `start` is there where it does not begin with a new lab.
    """

    settings: dict[str, Any]
    commands: list[Command]
    end: Place
    fingerprint: str
    events: bytes | None = None
    images: dict[str, ImageFile] = field(default_factory=dict)  # by path
    start: Start | None = None

    def save(self, path: str | Path) -> None:
        """Write the file, and a large snapshot that it begins with beside it. Raises `AxError`."""
        try:
            Path(path).write_text(self.text(), encoding="ascii")
        except OSError as error:
            raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None
        if self.start is not None:
            self.start.save_beside(Path(path))

    def text(self) -> str:
        """The lines of the file."""
        return "".join(json.dumps(line) + "\n" for line in self.lines())

    def lines(self) -> Iterable[dict[str, Any]]:
        """What stands in each line."""
        yield {"axlab recording": VERSION, "axlab": __version__, "settings": self.settings}
        if self.start is not None:
            yield {**place_line(self.start.place), **self.start.line()}
        for image in self.images.values():
            packed = {} if image.data is None else {"zlib": text_of(zlib.compress(image.data, 9))}
            yield {"image": image.path, "sha256": image.sha256, **packed}
        for command in self.commands:
            values = {name: written(value) for name, value in command.arguments.items()}
            yield {**place_line(command.place), "do": command.name, **values}
        if self.events is not None:
            yield {"events": text_of(zlib.compress(self.events))}
        yield {**place_line(self.end), "end": self.fingerprint}


def place_line(place: Place) -> dict[str, int]:
    (turns, instructions), now = place
    return {"at": now, "turns": turns, "instructions": instructions}


def written(value: Any) -> Any:
    """An argument in a line: typed bytes as text, one character for each byte."""
    if isinstance(value, VmConfig):
        return value.anywhere().to_toml()
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else value


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def record(lab: Any, since: int | None = None) -> Recording:
    """All that has come into a lab until now, in the future that it is in. Raises `AxError` where that is not known.

    It begins with the lab where that was new, else with a snapshot: of the first moment that history knows, of that
    behind a VM that was put back, or of `since` (virtual ns).
    """
    history = lab.history
    if history is None:
        raise AxError("this lab keeps no history that could be recorded: it was made with history = false")
    settings, start = settings_of(lab), start_of(history, since)
    commands = history.commands[0 if start is None else start.done : history.done]
    configs = [command.arguments["config"].anywhere() for command in commands if command.name == "create"]
    images = {path: image_of(path) for config in configs for path in paths_of(config)}
    events = of_trace(lab.trace.recorder)
    if events is not None and start is not None:
        events = None if start.events is None else events[len(start.events) :]
    return Recording(settings, commands, history.place, lab.fingerprint(), events, images, start)


def start_of(history: History, since: int | None) -> Start | None:
    """The snapshot with which a recording has to begin; None where it begins with a new lab."""
    if since is not None:
        return start_at(history, since)
    given = history.commands[: history.done]
    last = max((place for place, command in enumerate(given) if command.name not in ARGUMENTS), default=-1)
    if history.is_whole and last < 0:
        return None
    return start_at(history, next(one for one in history.known() if one.done > last))


def settings_of(lab: Any) -> dict[str, Any]:
    """The keywords of `Lab` that make such a lab. Raises `AxError` for a scheduler that is no text."""
    hypervisor, scheduler = lab.hypervisor, lab.hypervisor.scheduler
    if type(scheduler) not in SCHEDULERS.values():
        raise AxError(f"a recording cannot hold the scheduler {scheduler.name!r}: it is a class of Python")
    return {
        "cpus": lab.board.cpus,
        "ram": lab.board.memory.size,
        "gic_version": lab.board.gic_version,
        "ns_per_instruction": hypervisor.ns_per_instruction,
        "scheduler": scheduler.name,
        "seed": scheduler.seed,
        "boot_delay": hypervisor.boot_delay,
        "tick": f"{hypervisor.tick}ns",
    }


def paths_of(config: VmConfig) -> list[str]:
    """The files that a configuration names; a built-in guest is none."""
    paths = [path for name in IMAGES if (path := getattr(config.kernel, name))]
    return [path for path in paths if not path.startswith(BUILT_IN)]


def image_of(path: str) -> ImageFile:
    """An image file as a recording has it."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise AxError(f"the image {path} cannot be read: {(error.strerror or str(error)).lower()}") from None
    return ImageFile(path, sha256(data).hexdigest(), data if len(data) <= SMALL else None)


def load(path: str | Path) -> Recording:
    """Read a recording. Raises `AxError` with the line that is wrong."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise AxError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise AxError(f"{path} is no recording of AxLab: it is no text") from None
    read = Reader()
    for number, line in enumerate(lines, 1):
        try:
            read.line(json.loads(line), number)
        except (AxError, *WRONG) as error:
            raise AxError(f"{path}:{number}: this line is none of a recording: {error}") from None
    if read.end is None:
        raise AxError(f"{path} is no whole recording of AxLab: its last line, with the end, is missing")
    return Recording(read.settings, read.commands, read.end, read.fingerprint, read.events, read.images, read.start)


class Reader:
    """Takes in the lines of a file one by one. What is wrong raises one of `WRONG`."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.commands: list[Command] = []
        self.images: dict[str, ImageFile] = {}
        self.events: bytes | None = None
        self.end: Place | None = None
        self.fingerprint = ""
        self.start: Start | None = None

    def line(self, line: dict[str, Any], number: int) -> None:
        """One line, the `number`-th."""
        if number == 1:
            if line.get("axlab recording") != VERSION:
                raise ValueError(f'"axlab recording": {VERSION} is wanted in the first line')
            self.settings = dict(line["settings"])
        elif self.end is not None:
            raise ValueError("it stands behind the end")
        elif "snapshot" in line:
            self.start = start_from(line)
        elif "image" in line:
            data = zlib.decompressobj().decompress(base64.b64decode(line["zlib"]), SMALL) if "zlib" in line else None
            if data is not None and sha256(data).hexdigest() != line["sha256"]:
                raise ValueError("the hash of the image is another one")
            self.images[str(line["image"])] = ImageFile(str(line["image"]), str(line["sha256"]), data)
        elif "do" in line:
            self.commands.append(command_of(line))
        elif "events" in line:
            self.events = zlib.decompress(base64.b64decode(line["events"]))
        else:
            self.end, self.fingerprint = place_of(line), str(line["end"])


def start_from(line: dict[str, Any]) -> Start:
    """The snapshot of a line."""
    data = base64.b64decode(line["bytes"]) if "bytes" in line else None
    if data is not None and sha256(data).hexdigest() != line["snapshot"]:
        raise ValueError("the hash of the snapshot is another one")
    return Start(place_of(line), str(line["snapshot"]), data)


def place_of(line: dict[str, Any]) -> Place:
    return Place((int(line["turns"]), int(line["instructions"])), int(line["at"]))


def command_of(line: dict[str, Any]) -> Command:
    """The command of a line. A configuration is read when it is replayed."""
    wanted = ARGUMENTS[line["do"]]
    arguments = {}
    for name, value in line.items():
        if name in ("at", "turns", "instructions", "do"):
            continue
        kind = wanted[name]
        if kind is bytes:
            value = str(value).encode("latin-1")
        elif kind is VmConfig:
            value = parse_config(str(value), "the recording").require()
        elif type(value) is not kind and not (name == "mask" and value is None):
            raise TypeError(f"{name} is {value!r}")
        arguments[name] = value
    return Command(place_of(line), line["do"], arguments)


def with_images(config: VmConfig, found: dict[str, str]) -> VmConfig:
    """The configuration with its files where they are now. Raises `AxError` for one whose hash is not recorded."""
    for path in paths_of(config):
        if path not in found:
            raise AxError(f"the recording says nothing of the image {path}")
    files: dict[str, Any] = {name: found.get(path, path) for name in IMAGES if (path := getattr(config.kernel, name))}
    return replace(config, kernel=replace(config.kernel, **files))
