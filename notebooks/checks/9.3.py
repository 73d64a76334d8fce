"""Exercise 9.3: a VM taken away, whatever it does."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest
from axlab.errors import AxError

OK_FORMAT = False
name = "9.3"
points = 3

HINTS = [
    "Signal, wait, remove. What does `lab.hypervisor.stop(vm, force=True)` refuse, and in which state is the VM then?",
    "A VM that is Stopped or Failed refuses to be stopped; any other takes a forced stop. Its vCPUs are gone when "
    "`vm.on_vcpus` is empty, and for that time has to pass.",
    "`lab.hypervisor.advance(lab.now + 10_000_000, stop=lambda: not vm.on_vcpus)`, and then "
    "`lab.hypervisor.remove(vm, keep_data=False)`.",
]

COUNTS = "_start: add x19, x19, #1\n b _start"
SLEEPS = "loop: wfi\n b loop"
STATES = {
    "one that runs for ever": ("start victim --detach", "run --for 3ms"),
    "a suspended one": ("start victim --detach", "run --for 3ms", "suspend victim"),
    "one that is Stopping": ("start victim --detach", "run --for 3ms", "stop victim"),
    "one that was never started": (),
    "one that is Stopped": ("start victim --detach", "run --for 3ms", "stop victim --force", "run --for 1ms"),
}


@cache
def evicted(evict, how):
    """(lab, what evict returned or said, virtual time it took) for a victim in some state."""
    lab = Lab(code_cache=False)
    guest(lab, SLEEPS, "bystander")
    guest(lab, COUNTS, "victim")
    lab.shell("vm start bystander --detach; vm run --for 1ms")
    for command in STATES[how]:
        lab.shell(f"vm {command}")
    before = lab.now
    try:
        said = evict(lab, "victim")
    except (AxError, AssertionError) as error:
        said = error
    return lab, said, lab.now - before


def names(lab):
    return [vm.name for vm in lab.hypervisor.vms]


def refused(evict, how):
    _, said, _ = evicted(evict, how)
    return str(said) if isinstance(said, Exception) else ""


def problem(evict, how):
    """What is wrong with an eviction, in words; nothing where it is good."""
    lab, said, took = evicted(evict, how)
    if isinstance(said, Exception):
        return f"it was refused: {said}"
    if names(lab) != ["bystander"]:
        return f"the list of VMs is {', '.join(names(lab)) or 'empty'}"
    if str(lab.vm("bystander").state) != "Running":
        return f"bystander is {lab.vm('bystander').state}"
    if (lab.folder / "vms" / "victim").exists():
        return "the folder of the VM is still there"
    if took > 11_000_000:
        return f"it took {took} ns"
    return "" if said == took else f"it took {took} ns, and {said!r} was returned"


MISTAKES = [
    (lambda evict: any("still has" in refused(evict, how) for how in STATES),
     "You remove a VM whose vCPU still has a task. Between the signal and the removal time has to pass."),
    (lambda evict: "already stopp" in "".join(refused(evict, how) for how in STATES),
     "A VM that is stopped already, or stopping, refuses to be stopped. Look at its state, or use force."),
    (lambda evict: any("bystander is" in problem(evict, how) or "empty" in problem(evict, how) for how in STATES),
     "Another VM was hit. Only the one that was named may go."),
    (lambda evict: any("folder" in problem(evict, how) for how in STATES),
     "The VM is gone, and its data is not: `remove` keeps the folder unless it is told otherwise."),
    (lambda evict: any("was returned" in problem(evict, how) for how in STATES),
     "The VM is gone. What you return is not the virtual time that it took: `lab.now` afterwards less `lab.now` "
     "before."),
    (lambda evict: any("it took" in problem(evict, how) for how in STATES),
     "You wait too long. How soon does a vCPU leave that is forced to?"),
]  # fmt: skip


@test_case(points=1, success_message="It goes, whatever it did.")
def test_the_victim_goes(evict):
    for how in STATES:
        lab, said, _ = evicted(evict, how)
        expect_that(f"evict of {how}", not isinstance(said, Exception), said, "no refusal")
        expect(f"the VMs after evicting {how}", names(lab), ["bystander"])


@test_case(points=2, success_message="Nothing else does, nothing stays, and in time.")
def test_nothing_else(evict):
    for how in STATES:
        expect(f"evict of {how}", problem(evict, how) or "good", "good")
