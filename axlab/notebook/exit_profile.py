"""Where exits come from, as a picture: by reason, by place in the guest's code, by device; and what time they take.

A second run can stand beside the first: another lab, or this one as it was at an earlier moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy

from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, unknown
from axlab.notebook.timeline_tracks import GUEST, HYPERVISOR, columns, labels, tracks_of
from axlab.units import format_duration

WIDTH, LEFT, ROW = 880, 16, 22
NAME, BAR, COUNT, TIME = 250, 300, 120, 130  # widths of the columns
MOST = 8
SECTIONS = {"reason": "By reason", "place": "By place in the guest's code", "device": "By device"}
PARTS = tuple(SECTIONS)
REST = "others"


@dataclass
class ExitProfile(Scene):
    """The exits of one VM of a lab, or of all, `by` some of `PARTS`.

    `other`: a profile (as `profile_of` gives it) to compare with.
    """

    vm: int | None = None
    other: dict[str, Any] | None = field(default=None, repr=False)
    by: tuple[str, ...] = PARTS

    def data(self) -> dict[str, Any]:
        """The profile, the parts of it that are shown, and under `other` the one that it is compared with, or None."""
        return profile_of(self.lab, self.vm) | {"other": self.other, "by": self.by}

    def beside(self, lab: Any, vm: int | None, name: str) -> None:
        """Compare with another lab, or with a VM of it; `name` is how it is called."""
        self.other = profile_of(lab, vm)
        self.other["of"] = name if vm is None else f"{self.other['of']} of {name}"

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        hint = "Keep these figures, and show later ones beside them"
        forget = [Control("button", "Compare no more", {"do": "forget"})] if self.other else []
        return [Control("button", "Compare with now", {"do": "compare"}, hint=hint), *forget]

    def receive(self, message: Message) -> Answer:
        """`do`: compare (with the figures of now), or forget. Raises AxError."""
        if message.get("do") == "compare":
            self.other = profile_of(self.lab, self.vm)
            self.other["of"] += f" at {format_duration(self.lab.hypervisor.now)}"
        elif message.get("do") == "forget":
            self.other = None
        else:
            raise unknown(message)
        return Answer()


def profile_of(lab: Any, vm: int | None = None) -> dict[str, Any]:
    """Exits by `reason`, `place` and `device`: name -> [how many, ns]; `guest` and `hypervisor`: ns of all vCPUs there.

    A place is named by its symbol where there is one. Devices are those of the MMIO exits.
    """
    recorder = lab.trace.recorder
    exits = recorder.table("exits")
    vms, pcs, reasons, costs, addresses = columns(exits, "vm", "pc", "reason", "cost", "address")
    mine = numpy.ones(len(vms), dtype=bool) if vm is None else vms == vm
    vms, pcs, reasons, costs, addresses = (column[mine] for column in (vms, pcs, reasons, costs, addresses))
    names = labels(exits, "reason")
    is_mmio = numpy.isin(reasons, [place for place, name in enumerate(names) if name.startswith("Mmio")])
    tracks = [track for track in tracks_of(recorder, 0, lab.hypervisor.now).vcpus if vm in (None, track.vm)]
    spent = {code: sum(int(track.line.sums[code][-1]) for track in tracks if code in track.line.sums)
             for code in (GUEST, HYPERVISOR)}  # fmt: skip
    return {
        "of": "all VMs" if vm is None else vm_name(lab, vm),
        "reason": summed([reasons], costs, lambda place: names[place]),
        "place": summed([vms, pcs], costs, lambda of, pc: place_name(lab, of, pc, vm is None)),
        "device": summed([vms[is_mmio], addresses[is_mmio]], costs[is_mmio], lambda of, at: device_name(lab, of, at)),
        "guest": spent[GUEST],
        "hypervisor": spent[HYPERVISOR],
    }


def vm_name(lab: Any, vm: int) -> str:
    """`VM[0] demo`; of a VM that is no more only the number."""
    found = lab.hypervisor.vms.get(vm)
    return f"VM[{vm}] {found.name}" if found is not None else f"VM[{vm}]"


def summed(keys: list[Any], costs: Any, name: Any) -> dict[str, list[int]]:
    """[how many, sum of the costs] for each name that combinations of keys have, the most frequent first."""
    if not len(costs):
        return {}
    order = numpy.lexsort(keys)
    sorted_keys = [key[order] for key in keys]
    starts = numpy.flatnonzero(
        numpy.concatenate(([True], numpy.any([key[1:] != key[:-1] for key in sorted_keys], axis=0)))
    )
    counts = numpy.diff(numpy.append(starts, len(order))).tolist()
    sums = numpy.add.reduceat(costs[order], starts).tolist()
    found: dict[str, list[int]] = {}
    for key, count, cost in zip(zip(*(key[starts].tolist() for key in sorted_keys)), counts, sums):
        entry = found.setdefault(name(*key), [0, 0])
        entry[0] += count
        entry[1] += cost
    return dict(sorted(found.items(), key=lambda item: (-item[1][0], item[0])))


def place_name(lab: Any, vm: int, pc: int, several: bool) -> str:
    """`main+0x10`, or the address; behind the VM's number where there are several."""
    found = lab.hypervisor.vms.get(vm)
    name = (found.symbols.name(pc) if found is not None else "") or f"{pc:#x}"
    return f"{vm}: {name}" if several else name


def device_name(lab: Any, vm: int, address: int) -> str:
    """The device of a VM at a guest physical address."""
    found = lab.hypervisor.vms.get(vm)
    claims = found.bus.claims if found is not None else []
    return next((str(one.name) for one in claims if one.base <= address < one.base + one.size), f"{address:#x}")


def shown_rows(data: dict[str, Any], by: str) -> list[tuple[str, list[int], list[int]]]:
    """(name, [exits, ns] of this run, of the other one): the most frequent, and the rest as one."""
    here, there = data[by], (data["other"] or {}).get(by, {})
    names = sorted({*here, *there}, key=lambda name: (-max(here.get(name, [0])[0], there.get(name, [0])[0]), name))
    rows = [(name, here.get(name, [0, 0]), there.get(name, [0, 0])) for name in names]
    if len(rows) <= MOST:
        return rows
    kept, rest = rows[: MOST - 1], rows[MOST - 1 :]
    ours, theirs = ([sum(row[side][part] for row in rest) for part in (0, 1)] for side in (1, 2))
    return [*kept, (f"{len(rest)} {REST}", ours, theirs)]


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a profile."""
    other = data["other"]
    title = f"Exits of {data['of']}"
    parts = [d.words(LEFT, 26, d.fitted(title, 500, 14), size=14, bold=True)]
    if other is not None:
        parts.append(d.legend(LEFT, 50, [(d.BLUE, data["of"]), (d.AMBER, other["of"])]))
    y = 74.0 if other is not None else 52.0
    below, drawn = _times(data, y)
    parts += drawn
    y = below
    for by in data["by"]:
        rows = shown_rows(data, by)
        below, drawn = _section(SECTIONS[by], rows, y + 14, other is not None)
        parts += drawn
        y = below
    counts = ", ".join(f"{name} {count}" for name, (count, _) in data["reason"].items()) or "none"
    took = f"{format_duration(data['guest'])} in the guest, {format_duration(data['hypervisor'])} in the hypervisor"
    beside = f" Compared with {other['of']}." if other is not None else ""
    alt = f"{title} by reason: {counts}. Virtual CPUs spent {took}.{beside}"
    return Picture(d.document(WIDTH, y + 6, title, parts), alt, text(data))


def text(data: dict[str, Any]) -> str:
    """The same as lines."""
    other = data["other"]
    lines = [f"Exits of {data['of']}" + (f", compared with {other['of']}" if other is not None else "")]
    for name in ("guest", "hypervisor"):
        beside = f"  (was {format_duration(other[name])})" if other is not None else ""
        lines.append(f"  time in the {name:<12}{format_duration(data[name])}{beside}")
    for by in data["by"]:
        lines.append(SECTIONS[by])
        for name, (count, cost), (was, _) in shown_rows(data, by):
            beside = f"  (was {was})" if other is not None else ""
            lines.append(f"  {name:<28} {count:>8} {format_duration(cost):>12}{beside}")
    return "\n".join(lines)


def _times(data: dict[str, Any], y: float) -> tuple[float, list[str]]:
    """How the time of the vCPUs is divided: a bar for each run."""
    parts = []
    for one, faint in ((data, 1.0), (data["other"], 0.6)):
        if one is None:
            continue
        whole = max(1, one["guest"] + one["hypervisor"])
        wide = (WIDTH - 2 * LEFT) * one["guest"] / whole
        ran = one["guest"] + one["hypervisor"] > 0
        parts.append(d.box(LEFT, y, WIDTH - 2 * LEFT, 20, "none", stroke=d.INK, line=0.7))
        if ran:
            parts.append(d.box(LEFT, y, wide, 20, d.BLUE, opacity=faint))
            parts.append(d.box(LEFT + wide, y, WIDTH - 2 * LEFT - wide, 20, d.ORANGE, opacity=faint))
        shares = [
            (LEFT, "start", f"in the guest {format_duration(one['guest'])} ({100 * one['guest'] / whole:.1f} %)"),
            (WIDTH - LEFT, "end",
             f"in the hypervisor {format_duration(one['hypervisor'])} ({100 * one['hypervisor'] / whole:.1f} %)"),
        ]  # fmt: skip
        tones = (d.BLUE, d.ORANGE)
        parts += [
            d.words(x, y + 34, words, size=11, anchor=anchor, fill=tone)
            for (x, anchor, words), tone in zip(shares, tones, strict=True)
        ]
        y += 46
    return y, parts


def _section(
    heading: str, rows: list[tuple[str, list[int], list[int]]], y: float, compared: bool
) -> tuple[float, list[str]]:
    """A heading and a row for each name: a bar (two, where runs are compared), how many, how long."""
    x_bar, x_count, x_time = LEFT + NAME, LEFT + NAME + BAR + COUNT + 14, WIDTH - LEFT
    parts = [
        d.words(LEFT, y, heading, size=11, bold=True),
        d.words(x_count, y, "EXITS (OTHER)" if compared else "EXITS", size=10, bold=True, anchor="end"),
        d.words(x_time, y, "IN THE HYPERVISOR", size=10, bold=True, anchor="end"),
        d.rule(LEFT, y + 6, WIDTH - LEFT, y + 6, opacity=0.5),
    ]
    y += 6
    if not rows:
        parts.append(d.words(LEFT, y + 17, "none", size=11, italic=True))
        return y + ROW, parts
    most = max(max(ours[0], theirs[0]) for _, ours, theirs in rows)
    whole = sum(ours[0] for _, ours, _ in rows)
    for name, (count, cost), (was, _) in rows:
        parts.append(d.words(LEFT, y + 16, d.fitted(name, NAME - 12, 11), size=11))
        heights = ((count, d.BLUE, y + 4, 7), (was, d.AMBER, y + 12, 7)) if compared else ((count, d.BLUE, y + 5, 13),)
        for value, colour, top, high in heights:
            parts.append(d.box(x_bar, top, max(1.0, BAR * value / most) if value else 0, high, colour, radius=1))
        beside = f"({was})" if compared else f"{100 * count / max(1, whole):.1f} %"
        parts.append(d.words(x_count - 62, y + 16, str(count), size=11, anchor="end", mono=True))
        parts.append(d.words(x_count, y + 16, beside, size=10, anchor="end", mono=True))
        parts.append(d.words(x_time, y + 16, format_duration(cost), size=11, anchor="end", mono=True))
        y += ROW
    return y + 8, parts
