"""`axlab run`: boot guests, stream their consoles, obey a script of --expect and --send.

Standard output carries console bytes and nothing else; messages go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.machine.memory_map import MAX_CPUS
from axlab.shell.commands_create import configuration
from axlab.shell.expect import Script, read_steps
from axlab.shell.progress import StatusLine, has_status_line, on_status_line
from axlab.shell.running import GONE, Watcher, advance, progress_of
from axlab.shell.statuses import DONE, FAILED, INTERRUPTED
from axlab.shell.stream import Output
from axlab.trace.export import check as check_trace
from axlab.units import format_duration
from axlab.vmm.config import ConfigError, VmConfig


def read_configs(targets: list[str]) -> list[VmConfig]:
    """The configurations of all targets. Raises AxError that holds what is wrong with each of them."""
    configs: list[VmConfig] = []
    problems: list[str] = []
    for target in targets:
        try:
            config, warnings = configuration(target, Path(target), _Taken(configs))
            configs.append(config)
            for warning in warnings:
                print(f"axlab: {warning}", file=sys.stderr)
        except ConfigError as error:
            problems += [str(finding) for finding in error.findings]
        except AxError as error:
            problems.append(str(error) if target in str(error) else f"{target}: {error}")
        except OSError as error:
            problems.append(f"{target}: {(error.strerror or str(error)).lower()}")
    if problems:
        raise AxError("\naxlab: ".join(problems))
    return configs


class _Taken:
    """The ids and names of configurations, as `configuration` asks a VM list for them."""

    def __init__(self, configs: list[VmConfig]) -> None:
        self.configs = configs

    def __contains__(self, number: object) -> bool:
        return any(config.base.id == number for config in self.configs)

    def __iter__(self) -> Any:
        return iter(config.base for config in self.configs)


@dataclass
class Ended:
    """How the run ended: the exit status, and what is said of it."""

    status: int
    message: str = ""


def drive(
    lab: Lab,
    script: Script,
    output: Output,
    limit: int | None,
    max_instructions: int | None,
    progress: Watcher | None = None,
) -> Ended:
    """Run until the script is done, every VM has ended, or a limit."""
    hypervisor = lab.hypervisor
    vms = list(hypervisor.vms)
    deadline = None if limit is None else hypervisor.now + limit
    scripted = bool(script.expects)

    def pause() -> bool:
        output.flush()
        return output.broken or script.sends or done() or hopeless(vms, script)

    def done() -> bool:
        return scripted and not script.steps

    while True:
        while script.sends:
            send(lab, script)
            script.match()
        if done() and not any(vm.console.pending for vm in vms if vm.state not in GONE):
            return Ended(DONE)
        left = None if max_instructions is None else max_instructions - executed(vms)
        if left is not None and left <= 0:
            if done():
                return Ended(DONE)
            return failed(vms, script, f"the limit of {max_instructions} instructions was reached")
        span = None if deadline is None else deadline - hypervisor.now
        stop = pause if not done() else taken(vms)
        why = advance(hypervisor, span, stop, left, progress)
        if output.broken:
            raise BrokenPipeError
        if why == "interrupted":
            return Ended(INTERRUPTED, f"interrupted{waiting(script)}")
        if hopeless(vms, script):
            return after_the_end(vms, script)
        if why == "idle":
            return Ended(DONE) if done() else failed(vms, script, asleep(vms))
        if why == "time":
            passed = f"{format_duration(limit or 0)} of virtual time have passed"
            return Ended(DONE) if done() else failed(vms, script, passed)


def taken(vms: list[Any]) -> Callable[[], bool]:
    """A condition: the guests have taken all that was typed, or are no more."""
    return lambda: not any(vm.console.pending for vm in vms if vm.state not in GONE)


def send(lab: Lab, script: Script) -> None:
    """Type the text of the step at the front."""
    step = script.steps.popleft()
    vm = lab.hypervisor.vms.get(step.vm if step.vm >= 0 else script.last)
    if vm is not None and vm.state not in GONE:
        lab.hypervisor.console_input(vm, step.text)


def executed(vms: list[Any]) -> int:
    """Guest instructions of all VMs so far."""
    return sum(vcpu.instructions for vm in vms for vcpu in vm.vcpus)


def waiting(script: Script) -> str:
    step = script.awaited
    return f"; still waiting for {step}" if step else ""


def asleep(vms: list[Any]) -> str:
    names = ", ".join(vm.name for vm in vms if vm.state not in GONE)
    return f"{names}: asleep, and nothing is going to wake it"


def faults(vms: list[Any]) -> list[str]:
    """Which VMs broke, and why."""
    return [f"{vm.name}: {vm.fault or vm.reason}" for vm in vms if vm.state == "Failed"]


def failed(vms: list[Any], script: Script, limit: str) -> Ended:
    """A run that met a limit; faults of single VMs before that are told, too."""
    return Ended(FAILED, "; ".join([*faults(vms), limit]) + waiting(script))


def hopeless(vms: list[Any], script: Script) -> bool:
    """Whether every VM has ended, or the one whose text is awaited."""
    step = script.steps[0] if script.steps else None
    awaited = step.vm if step is not None and step.kind == "expect" else -1
    return all(vm.state in GONE for vm in vms if awaited in (-1, vm.id))


def after_the_end(vms: list[Any], script: Script) -> Ended:
    """Nothing more can come: every VM that counts has ended, cleanly or not, with or without what the script awaits."""
    if script.expects and script.awaited is None:
        return Ended(DONE)
    broken = faults(vms)
    if broken:
        return Ended(FAILED, "; ".join(broken) + waiting(script))
    if script.awaited is None:
        return Ended(DONE)
    names = ", ".join(vm.name for vm in vms if vm.state in GONE)
    return Ended(FAILED, f"{'every VM' if all(vm.state in GONE for vm in vms) else names} has stopped{waiting(script)}")


def statistics(lab: Lab, seconds: float) -> dict[str, Any]:
    """What `--stats` writes."""
    vms = list(lab.hypervisor.vms)
    exits: dict[str, int] = {}
    for vm in vms:
        for reason, number in vm.exits.items():
            exits[reason] = exits.get(reason, 0) + number
    return {
        "instructions": executed(vms),
        "cpu_seconds": round(seconds, 6),
        "virtual_ns": lab.hypervisor.now,
        "exits": dict(sorted(exits.items())),
        "vms": [
            {
                "id": vm.id,
                "name": vm.name,
                "state": str(vm.state),
                "reason": str(vm.fault or vm.reason),
                "vcpus": [
                    {"id": vcpu.id, "instructions": vcpu.instructions, "exits": sum(vcpu.exits.values())}
                    for vcpu in vm.vcpus
                ],
            }
            for vm in vms
        ],
    }


def write_json(name: str, data: dict[str, Any]) -> None:
    try:
        Path(name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise AxError(f"{name}: {(error.strerror or str(error)).lower()}") from None


def check_place(path: Path) -> None:
    """Raise AxError where a file could not be written: before a long run, not after it."""
    folder = path.absolute().parent
    if path.is_dir():
        raise AxError(f"{path}: is a directory")
    if not folder.is_dir():
        raise AxError(f"{path}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise AxError(f"{path}: permission denied")


def create_all(lab: Lab, configs: list[VmConfig]) -> list[Any]:
    """The VMs. Raises AxError that holds what is wrong with each configuration."""
    vms, problems = [], []
    for config in configs:
        try:
            vms.append(lab.hypervisor.create(config))
        except ConfigError as error:
            problems += [str(finding) for finding in error.findings]
        except AxError as error:
            problems.append(f"{config.source}: {error}")
    if problems:
        raise AxError("\naxlab: ".join(problems))
    return vms


def start_all(lab: Lab, vms: list[Any]) -> None:
    """Start the VMs. Raises AxError that names the one that cannot start, and why."""
    for vm in vms:
        try:
            lab.hypervisor.start(vm)
        except AxError as error:
            raise AxError(f"VM[{vm.id}] {vm.name} failed to start: {error}") from None


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """While this is entered, SIGTERM (which `timeout` sends) ends the run as Ctrl-C does: with its statistics."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def made_lab(configs: list[VmConfig]) -> Lab:
    """A private lab whose board has the GIC that the guests were configured for, and a CPU for every vCPU, up to 8.

    A vCPU that spins until another has done something would wait for ever if the two had to share a CPU.
    """
    versions = {config.axlab.gic_version for config in configs}
    cpus = min(MAX_CPUS, max(4, sum(config.base.cpu_num for config in configs)))
    return Lab(cpus=cpus, gic_version=versions.pop() if len(versions) == 1 else 3, history=False)


def say_without_cache(lab: Lab) -> None:
    """Tell on standard error why translated code cannot be kept."""
    if lab.code_cache is not None and lab.code_cache.warning:
        print(f"axlab: {lab.code_cache.warning}", file=sys.stderr)


def check_places(arguments: argparse.Namespace) -> None:
    """Raise AxError for a file that could not be written at the end."""
    if arguments.trace:
        check_trace(Path(arguments.trace))
    for path in (arguments.stats, arguments.save_snapshot):
        if path:
            check_place(Path(path))


def record(lab: Lab, arguments: argparse.Namespace) -> None:
    """Let the lab's trace record what the arguments ask for."""
    level = arguments.trace_level or ("events" if arguments.trace or arguments.fingerprint else "off")
    lab.trace.record(
        level,
        addresses=arguments.trace_addresses,
        window=arguments.trace_window,
        limit=arguments.trace_limit,
        spill=arguments.trace_spill,
    )
    if level == "off" and not (arguments.fingerprint or arguments.save_snapshot):
        lab.events.remove(lab.trace.recorder)


def main(arguments: argparse.Namespace) -> int:
    """`axlab run` with its arguments read. Returns the exit status; raises AxError for wrong files."""
    check_places(arguments)
    configs = read_configs(arguments.targets)
    lab = Lab.restore(arguments.from_snapshot, history=False) if arguments.from_snapshot else made_lab(configs)
    say_without_cache(lab)
    record(lab, arguments)
    created = create_all(lab, configs)
    vms = list(lab.hypervisor.vms)
    if not vms:
        raise AxError(f"the snapshot {arguments.from_snapshot} has no VM that could go on")
    names = {vm.id: vm.name for vm in vms}
    status = StatusLine(sys.stderr)
    show_progress(lab, status)
    output = Output(sys.stdout.buffer, names, before=status.hide)
    script = Script(read_steps(arguments.steps, names), vms[0].id)
    for observer in (output.observe, script.observe):
        lab.events.add(observer)
    began = time.process_time()
    ended = Ended(FAILED, "the run broke off")
    try:
        with ended_by_sigterm():
            start_all(lab, created)
            with progress_of(lab) as progress:
                ended = drive(lab, script, output, arguments.limit, arguments.max_instructions, progress)
        output.end()
    finally:
        if arguments.stats:
            write_json(arguments.stats, statistics(lab, time.process_time() - began))
        if arguments.trace:
            lab.trace.save(arguments.trace)
            if lab.trace.problem:
                print(f"axlab: {lab.trace.problem}", file=sys.stderr)
    if arguments.save_snapshot:
        lab.snapshots.write(Path(arguments.save_snapshot))
    if ended.message:
        print(f"axlab: {ended.message}", file=sys.stderr)
    if arguments.fingerprint:
        print(lab.fingerprint(), file=sys.stderr)
    return ended.status


def replay(path: str) -> int:
    """`axlab replay`: the consoles of a recording, and whether it came out as recorded. Returns the exit status."""
    from axlab.time.replay import Diverged, replay

    status = StatusLine(sys.stderr)
    recorded = Output(sys.stdout.buffer, {}, before=status.hide)
    try:
        lab = replay(path, Lab, prepare=lambda lab: watch(lab, recorded, status))
    except Diverged as error:
        recorded.end()
        print(f"axlab: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        recorded.end()
        print("axlab: interrupted", file=sys.stderr)
        return INTERRUPTED
    recorded.end()
    print(f"axlab: the same as recorded, up to {format_duration(lab.now)}", file=sys.stderr)
    return DONE


def watch(lab: Lab, output: Output, status: StatusLine) -> None:
    """Stream the consoles of a lab whose VMs are not there yet, and say how far it is."""
    show_progress(lab, status)
    lab.events.add(output.observe)


def show_progress(lab: Lab, status: StatusLine) -> None:
    """Say on standard error how far a run is, if that is a terminal."""
    if has_status_line(sys.stderr):
        lab.progress = on_status_line(status, time.monotonic)
