"""Replaying a recording: a new lab, the same commands at the same positions, and a look whether all comes out alike."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.time.branches import Command, Place
from axlab.time.digests import Comparison
from axlab.time.history import History
from axlab.time.journey import Asked, Journey, asked_on_the_way, never
from axlab.time.recorded_start import put_start
from axlab.time.recording import ImageFile, Recording, load, with_images
from axlab.time.tree import text_of
from axlab.units import format_duration


class Diverged(AxError):
    """A replay came out differently. `lab` stands where that was seen."""

    def __init__(self, message: str, lab: Any) -> None:
        super().__init__(message)
        self.lab = lab


def replay(
    path: str | Path,
    make: Callable[..., Any],
    folder: str | Path | None = None,
    stopped: Asked = never,
    prepare: Callable[[Any], None] = lambda lab: None,
) -> Any:
    """The lab of a recording; `make` is `Lab`, `prepare` is called with it before time passes.

    Raises `AxError` for a file that is none or an image that is not there, `Diverged` with place and reason where
    something comes out differently, KeyboardInterrupt where `stopped` says so.
    """
    recording = load(path)
    lab = made(recording, make, folder, Path(path))
    found = places_of(recording, Path(lab.folder), Path(path).parent)
    if recording.start is not None:
        put_start(lab, recording.start, Path(path))
    history: History = lab.history
    history.branches.here.commands = [with_place(command, found) for command in recording.commands]
    history.branches.here.end = recording.end
    comparison = Comparison(recording.events) if recording.events is not None else None
    if comparison is not None:
        lab.events.add(comparison)
    prepare(lab)
    try:
        run(lab, history, recording.end, lambda: stopped() or differs(comparison))
    except KeyboardInterrupt:
        if not differs(comparison):
            raise
    except AxError as error:
        raise diverged(lab, error.message) from None
    if comparison is not None:
        lab.events.remove(comparison)
        if comparison.difference:
            raise diverged(lab, comparison.difference)
        if comparison.place != len(comparison.recorded):
            raise diverged(lab, f"only {comparison.place // 3} of {len(comparison.recorded) // 3} events happened")
    if lab.fingerprint() != recording.fingerprint:
        raise diverged(lab, "consoles printed something else" if comparison else "the fingerprints differ")
    return lab


def differs(comparison: Comparison | None) -> bool:
    """Whether something was seen that was not recorded."""
    return comparison is not None and bool(comparison.difference)


def made(recording: Recording, make: Callable[..., Any], folder: str | Path | None, path: Path) -> Any:
    """A new lab with the settings of the recording."""
    try:
        return make(folder=folder, **recording.settings)
    except TypeError:
        raise AxError(f"{path}:1: its settings are none of a lab: {', '.join(recording.settings)}") from None


def run(lab: Any, history: History, end: Place, asked: Asked) -> None:
    """Let the lab run to the end of what was recorded, for everybody to see."""
    with asked_on_the_way(lab, asked) as stopped:
        try:
            run_on(Journey(history, stopped), history, end)
        finally:
            history.limit = history.leg = None
    while history.done < len(history.commands):
        history.give()
    lab.hypervisor.now = lab.hypervisor.edge = end.now


def run_on(journey: Journey, history: History, end: Place) -> None:
    """Advance to the end."""
    journey.show(end)
    while journey.hypervisor.position < end.position:
        wrong = None
        try:
            journey.step_towards(end.position)
        except AxError as error:
            wrong = error
        if history.branches.current:  # the machine went on without them
            missed = history.branches.known[0].commands[history.branches.here.done]
            raise AxError(f"the machine has not come to where '{text_of(missed)}' was given")
        if wrong is not None:
            raise wrong


def diverged(lab: Any, what: str) -> Diverged:
    return Diverged(f"the replay differs from the recording at {format_duration(lab.now)}: {what}", lab)


def with_place(command: Command, found: dict[str, str]) -> Command:
    """The command, with the files of a configuration where they are now."""
    if command.name != "create":
        return command
    arguments = command.arguments | {"config": with_images(command.arguments["config"], found)}
    return Command(command.place, command.name, arguments)


def places_of(recording: Recording, folder: Path, beside: Path) -> dict[str, str]:
    """Where each image is: in the recording itself, at its old place, beside the recording, or among AxLab's guests.

    Raises `AxError` with all that are missing or have other contents.
    """
    found, missing = {}, []
    for path, image in recording.images.items():
        place = place_of(image, folder, beside)
        if place is None:
            missing.append(f"{path} (sha256 {image.sha256})")
        else:
            found[path] = str(place)
    if missing:
        raise AxError(
            f"the recording needs {', '.join(missing)}, with just these contents: put it beside the recording or there"
        )
    return found


def place_of(image: ImageFile, folder: Path, beside: Path) -> Path | None:
    """A file with the contents of an image."""
    if image.data is not None:
        place = folder / "images" / f"{image.sha256}{Path(image.path).suffix[:8]}"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(image.data)
        return place
    name = image.path.replace("\\", "/").rpartition("/")[2]
    for place in (Path(image.path), beside / name):
        if place.is_file() and sha256(place.read_bytes()).hexdigest() == image.sha256:
            return place
    return None
