"""What the physical and virtual CPUs did when, in virtual time: lanes of states, with exits and interrupts as marks.

A window of time is shown. Where it holds few states they are drawn one by one; where it holds many, each column of
two pixels shows what share of its time each state had. What is sent to a browser is a few thousand numbers, whether
the trace has a hundred events or a million.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from axlab.errors import AxError
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Message, Scene, unknown
from axlab.notebook.timeline_tracks import (
    FIRST_WAIT,
    GUEST,
    HYPERVISOR,
    MARKS,
    READY,
    STATES,
    Line,
    Marks,
    Tracks,
    VcpuTrack,
    tracks_of,
)
from axlab.units import format_duration

WIDTH, GUTTER, TOP, LANE, BAND, GAP = 880, 92, 58, 34, 18, 16
PLOT = WIDTH - GUTTER - 16
BINS = PLOT // 2
MOST = 300  # rectangles or marks of a lane that are shown one by one
STATE_COLOURS = (d.BLUE, d.ORANGE, d.AMBER, d.SLATE, d.SLATE, d.PURPLE, d.SLATE, d.SLATE)
MARK_COLOURS = {"exit": d.ORANGE, "injection": d.GREEN, "IPI": d.PURPLE}
VM_COLOURS = (d.BLUE, d.GREEN, d.PURPLE, d.ORANGE, d.SLATE, d.AMBER)
FAINT_FROM = FIRST_WAIT  # codes from here on are drawn faintly: nothing happens then
STEPS = (1, 2, 5)


@dataclass
class Timeline(Scene):
    """The timeline of a lab, or of one VM of it. `window` is (begin, end) in virtual ns; None: everything."""

    view: ClassVar[str] = "timeline"
    vm: int | None = None
    window: tuple[int, int] | None = None
    known: dict[str, Any] = field(default_factory=dict, repr=False)

    def tracks(self) -> Tracks:
        """The lanes, made anew when something was recorded since."""
        recorder, hypervisor = self.lab.trace.recorder, self.lab.hypervisor
        version = (hypervisor.now, recorder.dropped, len(recorder), recorder.fingerprint())
        if self.known.get("version") != version:
            pcpus = len(hypervisor.physical_cpus.cpus)
            self.known = {"version": version, "tracks": tracks_of(recorder, pcpus, hypervisor.now)}
        tracks: Tracks = self.known["tracks"]
        return tracks

    def data(self) -> dict[str, Any]:
        """The window and its lanes; see `lane` and `vcpu_lane` for what a lane has. Times are virtual ns."""
        tracks = self.tracks()
        begin, end = self.window or (0, max(1, tracks.until))
        vcpus = [track for track in tracks.vcpus if self.vm in (None, track.vm)]
        wanted = {place for place, track in enumerate(tracks.vcpus) if self.vm in (None, track.vm)}
        lanes = [lane(f"pCPU {n}", "pcpu", line, begin, end) for n, line in enumerate(tracks.pcpus)]
        for one in lanes:
            only(one, wanted)
        return {
            "begin": begin,
            "end": end,
            "last": tracks.until,
            "of": "all VMs" if self.vm is None else f"VM[{self.vm}]",
            "lanes": lanes + [vcpu_lane(track, begin, end) for track in vcpus],
            "states": [{"name": name, "colour": colour} for name, colour in zip(STATES, STATE_COLOURS)],
            "marks": MARK_COLOURS,
            "vcpus": [
                {"name": f"{one.vm}.{one.vcpu}", "colour": VM_COLOURS[one.vm % len(VM_COLOURS)]} for one in tracks.vcpus
            ],
        }

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def receive(self, message: Message) -> Answer:
        """`window`: [begin, end] in virtual ns, or None for everything. Raises AxError."""
        window = message.get("window", 0)
        if window is None:
            self.window = None
            return Answer()
        if not (isinstance(window, list) and len(window) == 2 and all(_is_time(time) for time in window)):
            raise unknown(message)
        begin, end = int(window[0]), int(window[1])
        self.window = (max(0, begin), max(max(0, begin) + 1, end))
        return Answer()


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e18 < value < 1e18


def timeline(lab: Any, vm: Any = None, begin: int = 0, end: int | None = None) -> Picture:
    """The timeline of a lab (of one VM) between two moments of virtual time, in ns; to now by default."""
    chosen = None if end is None and not begin else window(begin, lab.now if end is None else end)
    return Timeline(lab, None if vm is None else vm.id, chosen).picture()


def window(begin: int, end: int) -> tuple[int, int]:
    """A window of virtual time. Raises AxError where it would be empty."""
    if end <= begin:
        raise AxError(f"the timeline would end at {format_duration(end)}, before it begins ({format_duration(begin)})")
    return begin, end


def lane(name: str, kind: str, line: Line, begin: int, end: int) -> dict[str, Any]:
    """One lane: `rects` [begin, end, code], or, where those are too many, `shares`: code -> percent of each bin."""
    rects = line.rectangles(begin, end, MOST, (end - begin) / PLOT)
    shares = line.shares(begin, end, BINS) if rects is None else {}
    return {
        "name": name,
        "kind": kind,
        "rects": None if rects is None else [list(rect) for rect in rects],
        "shares": {str(code): share for code, share in shares.items()},
        "marks": {},
    }


def only(one: dict[str, Any], wanted: set[int]) -> None:
    """Leave in the lane of a physical CPU what the wanted vCPUs did."""
    if one["rects"] is not None:
        one["rects"] = [rect for rect in one["rects"] if rect[2] in wanted]
    one["shares"] = {code: share for code, share in one["shares"].items() if int(code) in wanted}


def vcpu_lane(track: VcpuTrack, begin: int, end: int) -> dict[str, Any]:
    """A vCPU's lane: its codes are places in `STATES`; `marks`: kind -> how many, and which or how many in each bin."""
    found = lane(f"vCPU {track.vm}.{track.vcpu}", "vcpu", track.line, begin, end)
    found["marks"] = {kind: marks_in(track.marks[kind], begin, end) for kind in MARKS}
    return found


def marks_in(marks: Marks, begin: int, end: int) -> dict[str, Any]:
    count, each = marks.within(begin, end, MOST)
    bins = marks.counts(begin, end, BINS) if each is None else []
    return {"count": count, "each": None if each is None else [list(one) for one in each], "bins": bins}


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a timeline's data."""
    lanes = data["lanes"]
    height = TOP + LANE * len(lanes) + GAP + 62
    title = title_of(data)
    parts = [
        d.words(16, 24, title, size=14, bold=True),
        *_axis(data, TOP + LANE * len(lanes)),
        *(part for number, one in enumerate(lanes) for part in _lane(one, data, TOP + LANE * number)),
        *_legend(data, TOP + LANE * len(lanes) + GAP + 14),
    ]
    if not any(one["kind"] == "vcpu" for one in lanes):
        parts.append(d.words(GUTTER + 12, TOP + 12, "Nothing was recorded: no vCPU has run.", italic=True))
    return Picture(d.document(WIDTH, height, title, parts), alt(data), text(title, data))


def title_of(data: dict[str, Any]) -> str:
    return f"Timeline of {data['of']}, {format_duration(data['begin'])} to {format_duration(data['end'])}"


def alt(data: dict[str, Any]) -> str:
    """What the window shows, in a sentence."""
    lines = [one for one in data["lanes"] if one["kind"] == "vcpu"]
    said = [f"{one['name']}: {', '.join(_sums(one, data))}" for one in lines]
    return f"{title_of(data)}. {'; '.join(said) or 'No vCPU has run'}."


def text(title: str, data: dict[str, Any]) -> str:
    """For each lane, how much of the window each state takes, and how many marks there are."""
    lines = [title]
    for one in data["lanes"]:
        lines.append(f"  {one['name']:<10}{', '.join(_sums(one, data)) or 'idle'}")
    return "\n".join(lines)


def _sums(one: dict[str, Any], data: dict[str, Any]) -> list[str]:
    """`in the guest 61.2 %`, and `12 exits`."""
    names = list(STATES) if one["kind"] == "vcpu" else [vcpu["name"] for vcpu in data["vcpus"]]
    shares: dict[int, float] = {int(code): sum(share) / len(share) for code, share in one["shares"].items()}
    for begin, end, code in one["rects"] or ():
        shares[code] = shares.get(code, 0) + 100 * (end - begin) / (data["end"] - data["begin"])
    said = [f"{names[code]} {shares[code]:.1f} %" for code in sorted(shares)]
    counts = {kind: marks["count"] for kind, marks in one["marks"].items() if marks["count"]}
    return said + [f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items()]


def _x(time: float, data: dict[str, Any]) -> float:
    begin, end = int(data["begin"]), int(data["end"])
    return round(GUTTER + PLOT * (time - begin) / (end - begin), 2)


def ticks(begin: int, end: int, most: int = 8) -> list[int]:
    """Round moments in a window, at most about `most`."""
    step, scale = 1, 1
    while (end - begin) / step > most:
        step, scale = next((s * scale, scale) for s in (*STEPS, 10) if s * scale > step)
        scale = scale * 10 if step == scale * 10 else scale
    return list(range(-(-begin // step) * step, end + 1, step))


def _axis(data: dict[str, Any], bottom: float) -> list[str]:
    """The times above the lanes, and a line down from each."""
    parts = []
    for time in ticks(data["begin"], data["end"]):
        x = _x(time, data)
        parts.append(d.rule(x, TOP - 8, x, bottom, opacity=0.3))
        label = format_duration(time)
        half = d.width_of(label, 10, mono=True) / 2
        parts.append(
            d.words(min(max(x, GUTTER + half), WIDTH - 4 - half), TOP - 14, label, size=10, anchor="middle", mono=True)
        )
    return parts


def _lane(one: dict[str, Any], data: dict[str, Any], y: float) -> list[str]:
    colours = STATE_COLOURS if one["kind"] == "vcpu" else [vcpu["colour"] for vcpu in data["vcpus"]]
    parts = [
        d.words(GUTTER - 10, y + 13, one["name"], size=11, anchor="end"),
        d.rule(GUTTER, y + BAND, GUTTER + PLOT, y + BAND, opacity=0.35),
    ]
    if one["rects"] is None:
        parts += _shares(one, colours, y)
    else:
        parts += [_rect(rect, one, data, colours, y) for rect in one["rects"]]
    for kind, marks in one["marks"].items():
        parts += _marks(kind, marks, data, y + BAND + 1)
    return parts


def _rect(rect: list[int], one: dict[str, Any], data: dict[str, Any], colours: Any, y: float) -> str:
    begin, end, code = rect
    x0, x1 = _x(begin, data), _x(end, data)
    waits = waiting(one, code)
    name = STATES[code] if one["kind"] == "vcpu" else data["vcpus"][code]["name"]
    hint = f"{name}: {format_duration(end - begin)} from {format_duration(begin)}"
    height, top = (6, y + BAND - 6) if waits else (BAND, y)
    shape = d.box(x0, top, max(0.5, x1 - x0), height, colours[code], radius=0, opacity=0.5 if waits else 1, hint=hint)
    label = name.removeprefix("waits for ") if waits else name if one["kind"] == "pcpu" else ""
    if not label or d.width_of(label, 9) + 8 > x1 - x0:
        return shape
    ink = d.INK if waits else d.PAPER
    return shape + d.words((x0 + x1) / 2, y + (9 if waits else 13), label, size=9, anchor="middle", fill=ink)


def _shares(one: dict[str, Any], colours: Any, y: float) -> list[str]:
    """Columns of two pixels, the states one above the other by their share; where it mostly waits, a thin line."""
    waits = [sum(share) > 50 for share in zip(*(one["shares"][code] for code in one["shares"] if waiting(one, code)))]
    parts = [
        d.box(GUTTER + 2 * first, y + BAND - 6, 2 * (last - first), 6, d.SLATE, radius=0, opacity=0.5)
        for first, last in runs(waits)
        if waits[first]
    ]
    drawn = sorted(int(code) for code in one["shares"] if not waiting(one, code))
    base = [0] * BINS
    for code in drawn:
        share = one["shares"][str(code)]
        for first, last in runs([*zip(base, share)]):
            below, part = base[first], share[first]
            top, height = y + BAND * (1 - (below + part) / 100), BAND * part / 100
            if part:
                parts.append(d.box(GUTTER + 2 * first, top, 2 * (last - first), height, colours[code], radius=0))
        base = [min(100, below + part) for below, part in zip(base, share)]
    return parts


def waiting(one: dict[str, Any], code: int | str) -> bool:
    """Whether a code of a lane is one in which a vCPU is blocked."""
    return bool(one["kind"] == "vcpu" and int(code) >= FAINT_FROM)


def runs(values: list[Any]) -> list[tuple[int, int]]:
    """(first, behind the last) of each run of equal values."""
    cuts = [0, *(place for place in range(1, len(values)) if values[place] != values[place - 1]), len(values)]
    return [(first, last) for first, last in zip(cuts, cuts[1:]) if last > first]


MARK_ROWS = {"exit": 0, "injection": 4, "IPI": 8}


def _marks(kind: str, marks: dict[str, Any], data: dict[str, Any], y: float) -> list[str]:
    """Ticks below a lane, a row for each kind; where there are many, the more the stronger."""
    top, colour = y + MARK_ROWS[kind], MARK_COLOURS[kind]
    if marks["each"] is not None:
        return [
            d.box(
                _x(time, data) - 0.75, top, 1.5, 3.5, colour, radius=0, hint=f"{kind}: {what}, {format_duration(time)}"
            )
            for time, what in marks["each"]
        ]
    most = max(marks["bins"])
    levels = [-(-4 * count // most) for count in marks["bins"]]
    return [
        d.box(GUTTER + 2 * first, top, 2 * (last - first), 3.5, colour, radius=0, opacity=0.25 * levels[first])
        for first, last in runs(levels)
        if levels[first]
    ]


def legend_entries(data: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """What the colours mean: a row for the states, and one for the marks."""
    codes = {rect[2] for one in data["lanes"] if one["kind"] == "vcpu" for rect in one["rects"] or ()}
    codes |= {int(code) for one in data["lanes"] if one["kind"] == "vcpu" for code in one["shares"]}
    states = [(STATE_COLOURS[code], STATES[code]) for code in sorted(codes & {GUEST, HYPERVISOR, READY})]
    waits = sorted(code for code in codes if code >= FIRST_WAIT)
    if waits:
        reasons = ", ".join(STATES[code].removeprefix("waits for ") for code in waits)
        states.append((STATE_COLOURS[waits[0]], f"blocked, waits for {reasons}"))
    shown = {kind for one in data["lanes"] for kind, marks in one["marks"].items() if marks["count"]}
    return [states, [(MARK_COLOURS[kind], f"{kind}s") for kind in MARKS if kind in shown]]


def _legend(data: dict[str, Any], y: float) -> list[str]:
    states, marks = legend_entries(data)
    return [d.legend(GUTTER, y, states), d.legend(GUTTER, y + 20, marks, swatch=3)]
