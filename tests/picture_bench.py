"""How long a step of the timeline's zoom takes, and what live views cost a running guest.

    PYTHONPATH=. .venv/bin/python tests/picture_bench.py [EVENTS]

Times are CPU time of this process.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from typing import Any

from axlab.lab import Lab
from axlab.notebook.figures import live
from axlab.notebook.state_machine import StateMachine
from axlab.notebook.timeline import Timeline

MS = 1_000_000
VCPUS = 4
ROUNDS = 6  # the least of them counts


def million(lab: Lab, events: int) -> None:
    """Fill a lab's trace: of eight events two are state changes, five exits and one an injection."""
    rng = random.Random(1)
    changes: list[tuple[Any, ...]] = []
    exits: list[tuple[Any, ...]] = []
    interrupts: list[tuple[Any, ...]] = []
    time_ = 0
    for n in range(events // 8):
        time_ += rng.randrange(2_000, 60_000)
        vcpu = n % VCPUS
        changes.append((time_, vcpu % 2, 0, vcpu, "Ready", "Running", ""))
        exits += [(time_ + 300 * k, vcpu % 2, 0, vcpu, "MmioWrite", 0, 0, 0, 0, 200, 0, 0, 0) for k in range(1, 6)]
        interrupts.append((time_ + 10, 0, vcpu, 27, "injected"))
        changes.append((time_ + 1_900, vcpu % 2, 0, vcpu, "Running", "Blocked", "interrupt"))
    tables = lab.trace.recorder.table
    for kind, rows in (("vcpu_states", changes), ("exits", exits), ("interrupts", interrupts)):
        table = tables(kind)
        lab.trace.recorder.tables[kind] = table
        table.extend(rows)
    lab.hypervisor.now = time_ + 10_000


def seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def zoom(events: int) -> None:
    lab = Lab()
    million(lab, events)
    timeline = Timeline(lab)
    first = seconds(timeline.data)
    end = lab.hypervisor.now
    steps, sizes = [], []
    for level in range(20):
        span = end >> level
        begin = (end - span) // 3
        timeline.receive({"window": [begin, begin + span]})
        steps.append(seconds(timeline.data))
        sizes.append(len(json.dumps(timeline.data())))
    print(f"{events} events: first look {first * 1e3:.0f} ms; a step of the zoom {min(steps) * 1e3:.1f} to "
          f"{max(steps) * 1e3:.1f} ms, {max(sizes) / 1e3:.0f} kB at most")  # fmt: skip


def running(views: Callable[[Lab], list[Any]]) -> float:
    """CPU seconds of a guest that runs for 200 ms of virtual time, with some views of it."""
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0 --detach")
    shown = views(lab)
    took = 0.0
    for _ in range(40):
        took += seconds(lambda: lab.shell("vm restart 0 --force; vm run --for 200ms"))
    for view in shown:
        view.close()
    return took


def main() -> None:
    zoom(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    bare, watched = [], []
    for _ in range(ROUNDS):
        bare.append(running(lambda lab: []))
        watched.append(running(lambda lab: [live(StateMachine(lab, 0)), live(Timeline(lab))]))
    print(f"a guest without views {min(bare):.2f} s, with two {min(watched):.2f} s: "
          f"{100 * (min(watched) / min(bare) - 1):.1f} % more")  # fmt: skip


if __name__ == "__main__":
    main()
