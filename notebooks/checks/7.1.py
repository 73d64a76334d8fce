"""Exercise 7.1: a guest that starts all CPUs of a board, by who is on afterwards."""

from dataclasses import replace
from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "7.1"
points = 3

HINTS = [
    "Experiment 1 starts one CPU. What has to differ from call to call, and what arrives in the `x0` of the one that "
    "is started?",
    "`mov x1, #MPIDR`, `adr x2, entry`, `mov x3, #n`, `bl start_vcpu`, three times; behind `entry` the context "
    "goes from `x0` to `x19`. The first CPU must not fall into that code with something else in its `x0`.",
    "Let Python write the calls: a text for each `n, mpidr in enumerate(mpidrs_7_1, 1)`, joined to one; "
    "then `mov x0, #0`, and behind it `entry: mov x19, x0` and a loop with `wfi`.",
]


def given(student):
    mine = seed(student, name)
    among = [0x1, 0x2, 0x3, 0x100, 0x101, 0x102, 0x200, 0x201, 0x300]
    return {"mpidrs_7_1": mine.shuffled("mpidrs", among)[:3]}


@cache
def started(source, student):
    """(power states, x19 of all, results of CPU_ON, complaint) after 1 ms."""
    lab = Lab(code_cache=False)
    try:
        vm = guest(lab, source, "board", cpus=4)
        ids = (0, *given(student)["mpidrs_7_1"])
        config = replace(vm.config, base=replace(vm.config.base, phys_cpu_ids=ids))
        lab.hypervisor.remove(vm)
        vm = lab.create(config)
    except (AxError, TypeError) as error:
        return [], [], [], str(error)
    lab.shell("vm start all --detach; vm run --for 1ms")
    calls = lab.trace.recorder.table("psci").rows()
    results = [row[-1] for row in calls if row[3] == "CPU_ON"]
    return [str(vcpu.power) for vcpu in vm.vcpus], [vcpu.cpu.x[19] for vcpu in vm.vcpus], results, vm.fault


MISTAKES = [
    (lambda source_7_1, student: started(source_7_1, student)[3] != "" and not started(source_7_1, student)[0],
     "Your source cannot be assembled: the message below has its line."),
    (lambda source_7_1, student: started(source_7_1, student)[3] != "",
     "The guest broke. Where does the first CPU go after its last instruction, and where do the others?"),
    (lambda source_7_1, student: -2 in started(source_7_1, student)[2],
     "PSCI answered -2 (INVALID_PARAMETERS): a CPU was asked for by a number that is not its MPIDR."),
    (lambda source_7_1, student: -4 in started(source_7_1, student)[2],
     "PSCI answered -4 (ALREADY_ON): a CPU is started twice. Do the others run through the calls again?"),
    (lambda source_7_1, student: started(source_7_1, student)[0] == ["On"] * 4
     and len(set(started(source_7_1, student)[1][1:])) < 3,
     "All are on, and not every one has a number of its own. The context is `x3` of the call and `x0` of the new CPU."),
    (lambda source_7_1, student: "Off" in started(source_7_1, student)[0] and len(started(source_7_1, student)[2]) == 3,
     "All were started, and some have left again. They have to stay: let them sleep in a loop."),
]  # fmt: skip


@test_case(points=1, success_message="All four CPUs are on.")
def test_all_are_on(source_7_1, student):
    power, _, results, wrong = started(source_7_1, student)
    expect_that("the guest", not wrong, wrong, "no fault")
    expect("the answers of CPU_ON", results, [0, 0, 0])
    expect("the CPUs", power, ["On"] * 4)


@test_case(points=2, success_message="And each knows its number.")
def test_each_has_its_number(source_7_1, student):
    expect("x19 of the four CPUs", started(source_7_1, student)[1], [0, 1, 2, 3])
