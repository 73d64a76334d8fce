"""A trace for Perfetto (ui.perfetto.dev) and chrome://tracing: the Trace Event Format, as JSON.

One process for each VM, with a thread for each vCPU and one for interrupts; one process for the host, with a thread for
each physical CPU. A vCPU's slices are its scheduling states, and in them its exits; arrows go from what raised an
interrupt (the exit that sent an IPI, else the VM's interrupts) to the vCPU that took it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from axlab.trace.deliveries import NEVER, SHARED, Delivery
from axlab.trace.spans import Span
from axlab.trace.story import Story

HOST = 1000  # a process id behind those of VMs, which are their ids + 1
INTERRUPTS = 1000  # a thread id behind those of vCPUs, which are their ids + 1
INSTANT = 100  # ns: how long the slice of a moment is drawn at most
SGIS = 16

Json = dict[str, Any]


def write_chrome(story: Story, path: Path) -> None:
    """Write the events, one on each line."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write('{"displayTimeUnit": "ns", "traceEvents": [\n')
        separator = ""
        for event in chrome_events(story):
            file.write(separator + json.dumps(event))
            separator = ",\n"
        file.write("\n]}\n")


def chrome_events(story: Story) -> Iterator[Json]:
    """All events: names, slices, moments, and then the arrows between slices, which have to be known before."""
    parts = (names, states, exits, physical_cpus, raised, handlers, vm_states, arrows)
    return chain.from_iterable(part(story) for part in parts)


def us(ns: int) -> float:
    """Microseconds, which is the format's unit."""
    return ns / 1000


def thread(vm: int, vcpu: int) -> Json:
    return {"pid": vm + 1, "tid": vcpu + 1}


def slice_(place: Json, name: str, begin: int, end: int, category: str, **args: Any) -> Json:
    """A slice of a thread."""
    return {
        "ph": "X", **place, "name": name, "cat": category, "ts": us(begin), "dur": us(end - begin), "args": args,
    }  # fmt: skip


def names(story: Story) -> Iterator[Json]:
    """What processes and threads are called, and their order."""
    for vm in sorted({vm for vm, _ in story.vcpus()} | {one.vm for one in story.states}):
        yield {"ph": "M", "pid": vm + 1, "name": "process_name", "args": {"name": story.label(vm)}}
        yield {"ph": "M", "pid": vm + 1, "name": "process_sort_index", "args": {"sort_index": vm}}
    for vm, vcpu in story.vcpus():
        yield {"ph": "M", **thread(vm, vcpu), "name": "thread_name", "args": {"name": f"vCPU {vcpu}"}}
    for vm in sorted({one.vm for one in story.deliveries}):
        place = {"pid": vm + 1, "tid": INTERRUPTS}
        yield {"ph": "M", **place, "name": "thread_name", "args": {"name": "interrupts"}}
    if story.pcpus():
        yield {"ph": "M", "pid": HOST, "name": "process_name", "args": {"name": "physical CPUs"}}
        yield {"ph": "M", "pid": HOST, "name": "process_sort_index", "args": {"sort_index": HOST}}
    for pcpu in story.pcpus():
        yield {"ph": "M", "pid": HOST, "tid": pcpu + 1, "name": "thread_name", "args": {"name": f"CPU {pcpu}"}}


def states(story: Story) -> Iterator[Json]:
    """The scheduling states of vCPUs."""
    for span in story.spans:
        name = f"{span.state} ({span.reason})" if span.reason else span.state
        args = {"pcpu": span.pcpu} if span.pcpu >= 0 else {}
        yield slice_(thread(span.vm, span.vcpu), name, span.begin, span.end, "state", **args)


def exits(story: Story) -> Iterator[Json]:
    """Exits, in the state Running of their vCPU; never longer than that, so that slices nest."""
    running = running_spans(story)
    for exit in story.exits:
        span = span_at(running.get((exit.vm, exit.vcpu), []), exit.time)
        end = exit.time + exit.cost if span is None else min(exit.time + exit.cost, span.end)
        args = {"pc": f"{exit.pc:#x}", "address": f"{exit.address:#x}", "value": f"{exit.value:#x}"}
        yield slice_(thread(exit.vm, exit.vcpu), exit.reason, exit.time, max(end, exit.time), "exit", **args)


def running_spans(story: Story) -> dict[tuple[int, int], list[Span]]:
    """The spans of each vCPU in which it ran, by time."""
    found: dict[tuple[int, int], list[Span]] = {}
    for span in story.spans:
        if span.state == "Running":
            found.setdefault((span.vm, span.vcpu), []).append(span)
    return found


def span_at(spans: list[Span], time: int) -> Span | None:
    """The span that contains a time."""
    place = bisect_right(spans, time, key=lambda span: span.begin) - 1
    return spans[place] if place >= 0 and time <= spans[place].end else None


def physical_cpus(story: Story) -> Iterator[Json]:
    """What each physical CPU ran."""
    for span in story.spans:
        if span.pcpu >= 0:
            place = {"pid": HOST, "tid": span.pcpu + 1}
            yield slice_(place, f"{story.label(span.vm)}, vCPU {span.vcpu}", span.begin, span.end, "pcpu")


def raised(story: Story) -> Iterator[Json]:
    """The moments at which interrupts were raised, one behind the other on a thread of their VM."""
    for vm in sorted({one.vm for one in story.deliveries}):
        mine = sorted((one for one in story.deliveries if one.vm == vm and one.raised != NEVER), key=moment_of)
        ends = [one.raised for one in mine[1:]] + [story.until + INSTANT]
        for one, end in zip(mine, ends, strict=True):
            until = min(one.raised + INSTANT, end)
            place = {"pid": vm + 1, "tid": INTERRUPTS}
            yield slice_(place, f"raised {name_of(one.intid)}", one.raised, until, "irq", intid=one.intid)


def moment_of(one: Delivery) -> int:
    return one.raised


def name_of(intid: int) -> str:
    """`IPI 5`, `PPI 27`, `SPI 33`."""
    return f"{'IPI' if intid < SGIS else 'PPI' if intid < SHARED else 'SPI'} {intid}"


def handlers(story: Story) -> Iterator[Json]:
    """From taken to ended: slices of their own, because a guest can sleep and be preempted in a handler."""
    for number, one in enumerate(story.deliveries):
        if one.taken != NEVER:
            end = story.until if one.ended == NEVER else one.ended
            common = {"pid": one.vm + 1, "tid": one.vcpu + 1, "cat": "irq", "id": f"handler {number}"}
            common["name"] = f"vCPU {one.vcpu} handles {name_of(one.intid)}"
            yield {"ph": "b", **common, "ts": us(one.taken), "args": {"intid": one.intid}}
            yield {"ph": "e", **common, "ts": us(end)}


def vm_states(story: Story) -> Iterator[Json]:
    """The changes of VMs' states, as moments of their processes."""
    for one in story.states:
        name = f"{one.old} -> {one.new}" + (f" ({one.reason})" if one.reason else "")
        yield {"ph": "i", "s": "p", "pid": one.vm + 1, "tid": 1, "name": name, "cat": "vm", "ts": us(one.time)}


def arrows(story: Story) -> Iterator[Json]:
    """From what raised an interrupt to the vCPU that took it."""
    senders = {(one.vm, one.time, one.value): one.vcpu for one in story.exits if one.reason == "SendIPI"}
    for number, one in enumerate(story.deliveries):
        if NEVER in (one.raised, one.taken):
            continue
        sender = senders.get((one.vm, one.raised, one.intid)) if one.intid < SGIS else None
        source = {"pid": one.vm + 1, "tid": INTERRUPTS if sender is None else sender + 1}
        common = {"cat": "irq", "name": name_of(one.intid), "id": number}
        yield {"ph": "s", **source, **common, "ts": us(one.raised)}
        yield {"ph": "f", "bp": "e", **thread(one.vm, one.vcpu), **common, "ts": us(one.taken)}
