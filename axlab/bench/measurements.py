"""The table of measurements: a name for the command line, and the function that makes its figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path

from axlab.bench import boots, engines, exits, others, recording, time_travel
from axlab.bench import growth as growing
from axlab.bench import many_runs as scale
from axlab.bench.clock import best, calibration
from axlab.bench.figures import Figure, LeftOut, at_most, per_second
from axlab.bench.workloads import WORKLOADS, Workload, available
from axlab.scale.engines import usable_cpus

LINUX = "--linux FOLDER of a kernel (axlab fetch debian-kernel -o FOLDER)"
UNICORN = "the package unicorn (pip install unicorn)"
SLEEPERS = 255
WELCOME = Path(__file__).parent.parent.parent / "notebooks" / "00-welcome.ipynb"
PAIRS = 5  # costs that are told by comparing runs come from at least so many of either kind
ROUNDS = 3  # of runs of every kind in turn, so that a machine that becomes busy slows all of them


@dataclass(frozen=True, slots=True)
class Settings:
    """How to measure: the best of `repeat` runs; `linux` is the folder of a kernel that was fetched."""

    repeat: int = 1
    linux: Path | None = None


Result = Figure | LeftOut
Measurement = Callable[[Settings], Iterator[Result]]
Way = Callable[[Workload], engines.Run]


def mean(values: list[float]) -> float:
    """The geometric mean."""
    return float(prod(values) ** (1 / len(values)))


def fastest(repeat: int, workload: Workload, run: Way) -> engines.Run:
    """The run that took the least time."""
    return min((run(workload) for _ in range(repeat)), key=lambda done: done.seconds)


def in_turn(settings: Settings, workload: Workload, one: Way, other: Way) -> float:
    """What one way takes as a multiple of the other: the fastest runs of each, made in turn."""
    times = range(max(PAIRS, settings.repeat))
    pairs = [(one(workload).seconds, other(workload).seconds) for _ in times]
    return min(first for first, _ in pairs) / min(second for _, second in pairs)


def machine(settings: Settings) -> Iterator[Result]:
    """What the figures are to be seen in relation to."""
    yield Figure("an addition with a mask, in a plain loop", calibration(), "ns")


def workloads(settings: Settings) -> Iterator[Result]:
    """Plain speed, on a CPU alone and, for comparison, on Unicorn."""
    rates, others = [], []
    for workload in WORKLOADS:
        if workload.missing:
            yield LeftOut(workload.name, f"the Debian package {workload.missing}")
            continue
        run = fastest(settings.repeat, workload, engines.run_bare)
        rates.append(run.rate)
        yield per_second(workload.name, run.rate)
        if engines.has_unicorn():
            time = best(settings.repeat, lambda: engines.run_unicorn(workload))  # noqa: B023
            others.append(run.instructions / time / 1e6)
    yield per_second(f"{len(rates)} workloads", mean(rates), 22)
    if not others:
        yield LeftOut("Unicorn", UNICORN)
        return
    yield per_second(f"{len(rates)} workloads on Unicorn, no hook", mean(others))
    yield at_most("Unicorn's speed, as a multiple of ours", mean(others) / mean(rates), "x", 750 / 22)


def regions(settings: Settings) -> Iterator[Result]:
    """What the regions of hot code give: the same programs with blocks alone, in turn."""
    gains = []
    for workload in available():
        gains.append(in_turn(settings, workload, engines.run_without_regions, engines.run_bare))
        yield Figure(f"{workload.name}, as a multiple of blocks alone", gains[-1], "x")
    yield Figure(f"{len(gains)} workloads, as a multiple of blocks alone", mean(gains), "x")


def traces(settings: Settings) -> Iterator[Result]:
    """Every instruction recorded; Unicorn does that by a hook in Python."""
    ours = {workload: fastest(settings.repeat, workload, engines.run_recorded) for workload in available()}
    rate = mean([run.rate for run in ours.values()])
    yield per_second(f"{len(ours)} workloads, every instruction recorded", rate)
    if not engines.has_unicorn():
        yield LeftOut("Unicorn with hooks", UNICORN)
        return
    for hook, reach in (("instruction", 6.0), ("block", 0.8)):
        rates = []
        for workload, run in ours.items():
            time = best(settings.repeat, lambda: engines.run_unicorn(workload, hook))  # noqa: B023
            rates.append(run.instructions / time / 1e6)
        yield per_second(f"{len(ours)} workloads on Unicorn, a hook for every {hook}", mean(rates))
        yield Figure(f"recording, as a multiple of Unicorn's {hook} hook", rate / mean(rates), "x", reach)


def memory(settings: Settings) -> Iterator[Result]:
    """What a trace of every instruction takes in memory, and how fast rows become a frame."""
    short = {workload: recording.recorded(workload, 1) for workload in available()}
    sizes = {workload: recording.bytes_of(trace) / len(trace) for workload, trace in short.items()}
    worst = max(sizes, key=lambda workload: sizes[workload])
    yield at_most(f"a recorded instruction of {worst.name}, which takes the most", sizes[worst], "bytes", 24)
    whole = recording.recorded(worst, recording.WHOLE)
    size = recording.bytes_of(whole) * recording.WHOLE / len(whole) / 1e6
    yield at_most("10 million recorded instructions of it", size, "MB", 300)
    yield Figure("instructions as a frame", recording.instruction_rows(whole), "M rows/s", 5)
    yield Figure("exits as a frame", recording.exit_rows(max(3, settings.repeat)), "M rows/s", 5)


def stage2(settings: Settings) -> Iterator[Result]:
    """What a VM costs: the same programs under the hypervisor, with stage 2 and a tick every 10 ms."""
    costs = [in_turn(settings, workload, engines.run_under_hypervisor, engines.run_bare) for workload in available()]
    yield at_most("cost of the hypervisor and stage 2", (mean(costs) - 1) * 100, "%", 3)


def u_boot(settings: Settings) -> Iterator[Result]:
    """A boot loader, most of whose code runs once."""
    if not boots.U_BOOT.exists():
        yield LeftOut("U-Boot", "the Debian package u-boot-qemu")
        return
    boot = min((boots.boot_u_boot() for _ in range(settings.repeat)), key=lambda done: done.seconds)
    yield at_most("U-Boot to its prompt", boot.seconds, "s", 2)
    yield per_second("U-Boot, instructions", boot.instructions / boot.seconds / 1e6)
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as cache:
        boots.boot_u_boot(Path(cache))
        boot = min((boots.boot_u_boot(Path(cache)) for _ in range(settings.repeat)), key=lambda done: done.seconds)
    yield Figure("U-Boot again, with its translated code on disk", boot.seconds, "s")


def linux(settings: Settings) -> Iterator[Result]:
    """Debian's kernel, which runs 270,000 different instructions on its way to userspace; then once more."""
    if settings.linux is None:
        yield LeftOut("Linux", LINUX)
        return
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as cache:
        boot = boots.boot_linux_alone(settings.linux, Path(cache))
        yield at_most("Linux to userspace and power-off", boot.seconds, "s", 45)
        yield per_second("Linux, instructions", boot.instructions / boot.seconds / 1e6)
        if boot.peak:
            yield at_most("Linux, memory beyond the guest's", (boot.peak - boot.touched) / 2**20, "MB", 300)
        boot = boots.boot_linux_alone(settings.linux, Path(cache))
        yield at_most("Linux again, with its translated code on disk", boot.seconds, "s", 20)


def linux_smp(settings: Settings) -> Iterator[Result]:
    """The same kernel on two CPUs, which wait for each other's locks and send each other interrupts."""
    if settings.linux is None:
        yield LeftOut("Linux on two CPUs", LINUX)
        return
    both, rest = boots.boot_linux_on_two_cpus(settings.linux)
    yield Figure("Linux to where its two CPUs run", both.seconds, "s")
    yield Figure("Linux on two CPUs to power-off", both.seconds + rest.seconds, "s")
    yield per_second("Linux on two CPUs, instructions", rest.instructions / (both.seconds + rest.seconds) / 1e6)


def sleepers(settings: Settings) -> Iterator[Result]:
    """Whether VMs that sleep cost anything."""
    times = range(max(PAIRS, settings.repeat))
    pairs = [(others.beside_sleepers(0), others.beside_sleepers(SLEEPERS)) for _ in times]
    alone, beside = min(alone for alone, _ in pairs), min(beside for _, beside in pairs)
    yield at_most(f"{SLEEPERS} sleeping VMs beside one that computes", (beside / alone - 1) * 100, "% slower", 5)


def smp(settings: Settings) -> Iterator[Result]:
    """vCPUs that spin on a lock, in slices of 1,000 instructions."""
    for vcpus in (1, 2, 4):
        run = min((others.share_a_lock(vcpus) for _ in range(settings.repeat)), key=lambda done: done.seconds)
        yield per_second(f"{vcpus} vCPU{'s' * (vcpus > 1)} and a lock", run.rate)


def leaving(settings: Settings) -> Iterator[Result]:
    """What it costs to leave a guest, to handle why, and to enter it again."""
    for what in exits.LEAVES:
        yield Figure(what, best(settings.repeat, lambda: exits.cost(what)) * 1e6, "us")  # noqa: B023
    first = next(iter(exits.LEAVES))
    yield Figure(f"{first}, events recorded", best(settings.repeat, lambda: exits.cost(first, record=True)) * 1e6, "us")


def snapshots(settings: Settings) -> Iterator[Result]:
    """A guest of 128 MB, all of it used, twenty times in memory; U-Boot at its prompt on disk, and back from there."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        found, touched = time_travel.in_memory(Path(folder))
    yield at_most("snapshot of a guest of 128 MB", found.save, "s", 0.5)
    yield at_most("going back to one", found.restore, "s", 0.2)
    yield at_most(f"{time_travel.SNAPSHOTS} of them keep, beside {touched >> 20} MB", found.kept / 2**20, "MB", 10)
    if not boots.U_BOOT.exists():
        yield LeftOut("U-Boot on disk and back", "the Debian package u-boot-qemu")
        return
    write, begin, size = time_travel.on_disk()
    yield Figure("U-Boot at its prompt, written to disk", write, "s")
    yield Figure("its file", size / 2**20, "MB")
    yield at_most("a new process, until that U-Boot goes on", begin, "s", 1)
    for count, spent in time_travel.going_back():
        yield at_most(f"{count:,} instructions back", spent, "s", 0.3)
    yield at_most("what history costs a boot", time_travel.cost_of_history(max(2, settings.repeat)) * 100, "%", 5)


def growth(settings: Settings) -> Iterator[Result]:
    """How the cost grows with VMs, vCPUs, RAM and what is recorded."""
    variants = [(growing.name(axis, step), run) for axis, steps in growing.AXES.items() for step, run in steps.items()]
    rounds = [[run().rate for _, run in variants] for _ in range(max(ROUNDS, settings.repeat))]
    for (what, _), rates in zip(variants, zip(*rounds)):
        yield per_second(what, max(rates))


def answers(settings: Settings) -> Iterator[Result]:
    """How soon AxLab is there, and answers."""
    yield at_most("import axlab", others.importing("") * 1000, "ms", 150)
    yield at_most("import axlab; axlab.Lab", others.importing("; axlab.Lab") * 1000, "ms", 150)
    yield at_most(f"vm list with {others.LISTED} VMs", best(settings.repeat, others.listing) * 1000, "ms", 1)


def many_runs(settings: Settings) -> Iterator[Result]:
    """Runs as files: 100 million events on disk, and questions about them in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="axlab-bench-") as folder:
        lab = scale.lab_of_events()
        events, size = scale.keep(lab, Path(folder))
        yield at_most(f"{events / 1e6:.0f} million events on disk", size, "bytes each", 8)
        tries = [scale.asked(Path(folder)) for _ in range(settings.repeat)]
    cores = usable_cpus()
    for what in scale.QUESTIONS:
        cpu = min(answers[what]["cpu"] for answers in tries)
        yield at_most(f"{what}, CPU time of {cores} cores", cpu / cores, "s", 2)
        yield at_most(f"{what}, on the clock", min(answers[what]["wall"] for answers in tries), "s", 5)
    yield at_most("memory of the process that asks", min(answers["peak"] for answers in tries), "MB", 200)


def workers(settings: Settings) -> Iterator[Result]:
    """Worker processes: how soon one answers, and what they leave for the runs. Only a quiet machine tells."""
    starts = [scale.start_of_a_worker() for _ in range(max(2, settings.repeat))]  # the first reads files that are cold
    yield at_most("start of a worker, CPU time", min(start.cpu for start in starts), "s", 1.5)
    yield at_most("start of a worker, by the clock", min(start.clock for start in starts), "s", 1.5)
    cores = usable_cpus()
    pools = [scale.pool(cores, 30 * cores) for _ in range(settings.repeat)]
    of_clock, of_cpu = (max(values) * 100 for values in zip(*((pool.of_clock, pool.of_cpu) for pool in pools)))
    yield Figure(f"{cores} workers, runs of a second: spent on runs, by the clock", of_clock, "%", 95)
    yield Figure(f"{cores} workers, runs of a second: spent on runs, of CPU time", of_cpu, "%", 95)


def kernel(settings: Settings) -> Iterator[Result]:
    """A student: the memory that one more of them takes, as kernel and as server of JupyterLab."""
    if not WELCOME.exists() or find_spec("jupyterlab") is None:
        yield LeftOut("a kernel after the welcome notebook", "the checkout and axlab[lab]")
        return
    yield at_most("a kernel after the welcome notebook", scale.kernel_memory(WELCOME), "MB", 200)
    yield Figure("a server of JupyterLab", scale.server_memory(), "MB")


MEASUREMENTS: dict[str, Measurement] = {
    "machine": machine,
    "workloads": workloads,
    "stage2": stage2,
    "regions": regions,
    "traces": traces,
    "memory": memory,
    "u-boot": u_boot,
    "linux": linux,
    "linux-smp": linux_smp,
    "sleepers": sleepers,
    "smp": smp,
    "exits": leaving,
    "snapshots": snapshots,
    "growth": growth,
    "answers": answers,
    "runs": many_runs,
    "workers": workers,
    "kernel": kernel,
}
