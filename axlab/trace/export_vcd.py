"""A trace for GTKWave: a value change dump (IEEE 1364, 18) of states, physical CPUs and interrupts, as signals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from os.path import commonprefix
from pathlib import Path

from axlab.trace.deliveries import NEVER, Delivery
from axlab.trace.story import Story

STATES = {"Free": 0, "Ready": 1, "Running": 2, "Blocked": 3}
FIRST, LETTERS = 33, 94  # identifiers are printable characters, from ! to ~
IDLE = -1
HEAD = """\
$version AxLab $end
$comment state of a vCPU: 0 Free, 1 Ready, 2 Running, 3 Blocked $end
$comment physical CPU of a vCPU, and of a physical CPU what it runs: VM * 256 + vCPU; z is none $end
$comment irqN_pending: from raised until taken; irqN_active: from taken until ended $end
$timescale 1 ns $end
"""

Changes = list[tuple[int, int]]
"""(time, value), in the order of time; a value of IDLE is none."""


class Signal:
    """A signal: its name in its scope, how many bits it has, and how it changes."""

    def __init__(self, scope: str, name: str, bits: int, changes: Changes) -> None:
        self.scope, self.name, self.bits, self.changes = scope, name, bits, changes


def write_vcd(story: Story, path: Path) -> None:
    """Write the signals: their names, then all changes in the order of time."""
    signals = [*vcpu_signals(story), *pcpu_signals(story)]
    with open(path, "w", encoding="ascii", errors="replace", newline="\n") as file:
        file.write(HEAD)
        file.writelines(declarations(signals))
        file.writelines(dump(signals, story.until))


def vcpu_signals(story: Story) -> Iterator[Signal]:
    """The states of every vCPU, its physical CPU, and its interrupts."""
    for vm, vcpu in story.vcpus():
        scope = f"{word(story.label(vm))}.vcpu{vcpu}"
        mine = [span for span in story.spans if (span.vm, span.vcpu) == (vm, vcpu)]
        states, places = [(0, STATES["Free"])], [(0, IDLE)]
        for span, after in zip(mine, [*mine[1:], None]):
            states.append((span.begin, STATES.get(span.state, 0)))
            places.append((span.begin, span.pcpu if span.pcpu >= 0 else IDLE))
            if span.end != (story.until if after is None else after.begin):
                states.append((span.end, STATES["Free"]))
                places.append((span.end, IDLE))
        yield Signal(scope, "state", 2, states)
        yield Signal(scope, "pcpu", 8, places)
        found = [one for one in story.deliveries if (one.vm, one.vcpu) == (vm, vcpu)]
        for intid in sorted({one.intid for one in found}):
            yield from irq_signals(scope, intid, [one for one in found if one.intid == intid])


def irq_signals(scope: str, intid: int, deliveries: list[Delivery]) -> Iterator[Signal]:
    """The two lines of an interrupt."""
    steps = {
        "pending": [(one.injected if one.raised == NEVER else one.raised, one.taken) for one in deliveries],
        "active": [(one.taken, one.ended) for one in deliveries],
    }
    for name, pairs in steps.items():
        edges: dict[int, int] = {}
        for up, down in pairs:
            edges |= {up: edges.get(up, 0) + 1} if up != NEVER else {}
            edges |= {down: edges.get(down, 0) - 1} if down != NEVER and up != NEVER else {}
        level, changes = 0, [(0, 0)]
        for time in sorted(edges):
            level += edges[time]
            changes.append((time, int(level > 0)))
        yield Signal(scope, f"irq{intid}_{name}", 1, changes)


def pcpu_signals(story: Story) -> Iterator[Signal]:
    """What each physical CPU runs."""
    for pcpu in story.pcpus():
        changes = [(0, IDLE)]
        for span in story.spans:
            if span.pcpu == pcpu:
                if changes[-1][0] == span.begin:
                    changes.pop()
                changes += [(span.begin, span.vm << 8 | span.vcpu), (span.end, IDLE)]
        yield Signal("physical_cpus", f"cpu{pcpu}", 16, changes)


def word(text: str) -> str:
    """A name as VCD admits it: letters, digits and underscores."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")


def identifier(number: int) -> str:
    """The short name of a signal in the list of changes."""
    text = ""
    while True:
        number, letter = divmod(number, LETTERS)
        text += chr(FIRST + letter)
        if not number:
            return text


def declarations(signals: list[Signal]) -> Iterator[str]:
    """The names of signals in their scopes."""
    entered: list[str] = []
    for number, signal in enumerate(signals):
        wanted = signal.scope.split(".")
        common = len(commonprefix([entered, wanted]))
        yield from ("$upscope $end\n" for _ in entered[common:])
        yield from (f"$scope module {part} $end\n" for part in wanted[common:])
        entered = wanted
        size = f" [{signal.bits - 1}:0]" if signal.bits > 1 else ""
        yield f"$var wire {signal.bits} {identifier(number)} {signal.name}{size} $end\n"
    yield from ("$upscope $end\n" for _ in entered)
    yield "$enddefinitions $end\n"


def dump(signals: list[Signal], until: int) -> Iterator[str]:
    """The changes: a time, and what changes then. Of several values of a signal at one time the last one counts."""
    changes: dict[int, dict[int, int]] = {}
    for number, signal in enumerate(signals):
        last = None
        for time, value in dict(signal.changes).items():
            if value != last:
                changes.setdefault(time, {})[number] = value
            last = value
    for time in sorted(changes):
        yield f"#{time}\n"
        yield from (written(value, signals[number].bits, identifier(number)) for number, value in changes[time].items())
    if until not in changes:
        yield f"#{until}\n"


def written(value: int, bits: int, name: str) -> str:
    """A value: one bit stands before the name of its signal, more bits in binary with a space between."""
    if bits == 1:
        return f"{value}{name}\n"
    return f"b{'z' if value == IDLE else format(value, 'b')} {name}\n"
