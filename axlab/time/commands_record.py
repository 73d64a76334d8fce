"""`vm record`: what came into the lab from outside, as a file that anybody can replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axlab.errors import AxError
from axlab.shell.arguments import Duration, FilePath
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Option, command
from axlab.shell.parts import table_format
from axlab.shell.render import Block, Lines, Table
from axlab.shell.results import Result
from axlab.time.tree import text_of
from axlab.units import format_duration

if TYPE_CHECKING:
    from axlab.time.recording import Recording


@dataclass(kw_only=True)
class RecordResult(Result):
    """What came from outside until now: virtual times in ns."""

    end: int
    commands: list[dict[str, Any]] = field(default_factory=list)
    path: str = ""

    def blocks(self) -> list[Block]:
        if self.path:
            return self.transcript
        if not self.commands:
            return [Lines(("Nothing came from outside yet.",))]
        rows = tuple((format_duration(one["time"]), one["text"]) for one in self.commands)
        return [Table(("TIME", "COMMAND"), rows)]


def result_of(recording: Recording, **more: Any) -> RecordResult:
    commands = [{"time": one.place.now, "text": text_of(one)} for one in recording.commands]
    return RecordResult(end=recording.end.now, commands=commands, **more)


@command(
    "vm record save",
    "Write a recording of the lab",
    Argument("file", FilePath(), "A file in the lab's folder"),
    Option("since", Duration("TIME"), "From a snapshot of this virtual time on, not from the beginning"),
)
def save(context: Context, file: str, since: int | None) -> Result:
    """Write all that has come into the lab since it was made: what was created, started, typed, and when.

    A lab that began from a snapshot has that in its recording. 'axlab replay FILE' and `Lab.replay(file)` make the same
    lab of it, anywhere.
    """
    from axlab.time.recording import record

    recording = record(context.lab, since)
    try:
        size = context.shell.files.write(file, recording.text())
        if recording.start is not None:
            recording.start.save_beside(context.shell.files.inside(file))
    except OSError as error:
        raise AxError(f"{file}: {context.shell.files.reason(error)}") from None
    begin = "" if recording.start is None else f" from {format_duration(recording.start.place.now)}"
    end = format_duration(recording.end.now)
    context.say(f"✓ {len(recording.commands)} commands{begin} up to {end}: {file}, {size} bytes")
    return result_of(recording, path=file, transcript=context.transcript)


@command("vm record show", "Show what a recording would hold", table_format())
def show(context: Context, format: str) -> Result:
    from axlab.time.recording import record

    return result_of(record(context.lab), format=format)
