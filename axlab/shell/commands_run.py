"""`vm run`, `vm wait`, `vm step`: virtual time moves only while something runs the machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from axlab.errors import AxError
from axlab.events import Console, Event
from axlab.shell import foreground
from axlab.shell.arguments import Duration, FilterText, Number, Typed, VmReference
from axlab.shell.commands_stops import break_point
from axlab.shell.context import Context
from axlab.shell.declaration import Argument, Option, command
from axlab.shell.inspecting import located
from axlab.shell.parts import one_vm, vms
from axlab.shell.results import Result
from axlab.shell.running import DEFAULT_LIMIT, GONE, advance, progress_of
from axlab.shell.selection import Unknown, look_up, look_up_one


@dataclass(kw_only=True)
class RunResult(Result):
    """How a run ended; `began` and `ended` are virtual times in ns."""

    why: str
    began: int
    ended: int
    states: dict[str, str] = field(default_factory=dict)
    stopped: Any = None  # where `why` is "break": which stop points, which vCPU, where


@dataclass(kw_only=True)
class StepResult(Result):
    """Where a VM stands after some instructions of its own."""

    vm: int
    executed: int
    vcpus: list[dict[str, Any]] = field(default_factory=list)


class TextWatch:
    """An observer that waits for a text in the output of any console."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.tails: dict[int, bytes] = {}
        self.seen = not self.text

    def observe(self, event: Event) -> None:
        if isinstance(event, Console) and event.direction == "output" and not self.seen:
            tail = self.tails.get(event.vm, b"") + event.data
            self.seen = self.text in tail
            self.tails[event.vm] = tail[-len(self.text) :]


def result_of(context: Context, run: foreground.Run, ok: bool) -> RunResult:
    """What became of a run; one that a person ended has not done what was asked."""
    ok = ok and run.why != "interrupted"
    states = {vm.name: str(vm.state) for vm in context.hypervisor.vms}
    return RunResult(
        ok=ok,
        why=run.why,
        began=run.began,
        ended=run.ended,
        states=states,
        stopped=context.hypervisor.stops.stopped,
        transcript=context.transcript,
    )


@command(
    "vm run",
    "Let the machine run for a while",
    Option("for", Duration(), "How long, in virtual time (1s where no text is given)"),
    Option("until-text", Typed(), "Until a console prints this"),
    Option("until", FilterText(), "Until this holds, such as 'pc == main', 'hypercall(3)', 'state changed'"),
)
def run(context: Context, for_: int | None, until_text: bytes | None, until: str | None) -> Result:
    """Run the machine.

    It ends when the time has passed, when the text was printed, at a stop point, or when every running VM
    has stopped or sleeps with nothing to wake it; and it says which.
    """
    stops = context.hypervisor.stops
    point = None if until is None else break_point(context, until, None)
    if point is not None:
        point.owner, point.text = "run", f"until {until}"
        stops.add(context.hypervisor, point)
    try:
        result = run_until_text(context, for_, until_text, limited=until is None)
    finally:
        if point is not None:
            stops.remove(context.hypervisor, point.number)
    if point is not None and not (stops.stopped is not None and point.number in stops.stopped.points):
        context.say(f"✗ {until} did not hold")
        result.ok = False
    return result


def run_until_text(context: Context, for_: int | None, until_text: bytes | None, limited: bool) -> RunResult:
    """Run the machine for a time, or until a text is printed; without either for a second if it is `limited`."""
    running = [vm for vm in context.hypervisor.vms if vm.state in ("Running", "Stopping")]
    limit = DEFAULT_LIMIT if for_ is None and until_text is None and limited else for_
    watch = None if until_text is None else TextWatch(until_text)
    observer = watch.observe if watch else None
    if observer is not None:
        context.lab.events.add(observer)
    try:
        until = None if watch is None else (lambda: watch.seen)
        ended = foreground.run(context, running, limit, until, show_all=True)
    finally:
        if observer is not None:
            context.lab.events.remove(observer)
    if watch is not None and not watch.seen:
        context.say(f"✗ the text {watch.text.decode('utf-8', 'replace')!r} was not printed")
    return result_of(context, ended, ok=watch is None or watch.seen)


@command(
    "vm wait",
    "Run the machine until virtual machines have stopped",
    vms(),
    Option("timeout", Duration(), "Give up after this much virtual time"),
)
def wait(context: Context, vms: list[VmReference], timeout: int | None) -> Result:
    """Wait until every VM named has stopped.

    It fails at the timeout, or when one of them sleeps with nothing to wake it.
    """
    found = look_up(context.hypervisor, vms)
    unknown = [vm for vm in found if isinstance(vm, Unknown)]
    context.say(*(vm.message for vm in unknown))
    there = [vm for vm in found if not isinstance(vm, Unknown)]
    if not there:
        return Result(ok=not unknown, transcript=context.transcript)
    ended = foreground.run(context, there, timeout)
    return result_of(context, ended, ok=not unknown and all(vm.state in GONE for vm in there))


@command(
    "vm step",
    "Execute single instructions of a virtual machine",
    one_vm(),
    Argument("count", Number(1, 10_000_000, "N"), "How many", minimum=0, default=1),
)
def step(context: Context, vm: VmReference, count: int) -> Result:
    """Execute N instructions of a VM, on whichever of its vCPUs run."""
    found = look_up_one(context.hypervisor, vm)
    if isinstance(found, Unknown):
        raise AxError(found.message.removeprefix("✗ "))
    if found.state != "Running":
        raise AxError(f"VM[{found.id}] is {found.state}; only a running VM executes instructions")
    context.consoles.add(found.id)
    executed = run_instructions(context, found, count)
    places = [located(vcpu) for vcpu in found.vcpus if vcpu.power != "Off"]
    for place in places:
        context.say(f"  VCPU {place['vcpu']}: {place['pc']:#x}: {place['instruction']}")
    if context.hypervisor.stops.stopped is not None:
        context.say_stop()
    elif executed < count:
        context.say(f"ℹ {executed} of {count} instructions were executed: VM[{found.id}] is {found.state}")
    return StepResult(vm=found.id, executed=executed, vcpus=places, transcript=context.transcript)


def run_instructions(context: Context, vm: Any, count: int) -> int:
    """Advance until the VM has executed `count` more instructions, or can execute none; returns how many."""

    def executed() -> int:
        return sum(vcpu.instructions for vcpu in vm.vcpus)

    goal = executed() + count
    with progress_of(context.lab) as progress:
        while (left := goal - executed()) > 0 and vm.state not in GONE:
            others = any(other is not vm and other.state == "Running" for other in context.hypervisor.vms)
            several = others or sum(vcpu.power != "Off" for vcpu in vm.vcpus) > 1
            limit = 1 if several else left
            why = advance(context.hypervisor, None, lambda: executed() >= goal, limit, progress)
            if why in ("idle", "interrupted", "time", "break"):
                break
    return count - max(0, goal - executed())
