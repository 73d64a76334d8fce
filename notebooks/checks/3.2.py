"""Exercise 3.2: exits by device, from the table of a real run."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "3.2"
points = 3

HINTS = [
    "Which reasons are accesses to a device? And which column says to which address the access was?",
    "Take the rows whose `reason` is `MmioRead` or `MmioWrite`, and of them those with "
    "`base <= address < base + size`.",
    "`mmio = exits[exits[\"reason\"].isin([\"MmioRead\", \"MmioWrite\"])]`; for each device `mine = mmio[(base <= "
    "mmio[\"address\"]) & (mmio[\"address\"] < base + size)]`, and `(len(mine), int(mine[\"cost\"].sum()))`.",
]
DEVICES = {
    "uart": (0x0900_0000, 0x1000),
    "distributor": (0x0800_0000, 0x1_0000),
    "redistributor": (0x080A_0000, 0x2_0000),
    "clock": (0x0901_0000, 0x1000),
}
BUSY = """
        .include "axlab.S"
_start: mov     x10, #0x08000000
        mov     x11, #READS
1:      ldr     w12, [x10, #4]
        subs    x11, x11, #1
        b.ne    1b
        mov     w12, #0x12
        str     w12, [x10]
        mov     x10, #0x080a0000
        str     wzr, [x10, #0x14]
        mrs     x12, cntp_ctl_el0
        mov     x0, #2
        hvc     #0
        adr     x0, text
        bl      print
        b       power_off
text:   .asciz  "TEXT"
"""


@cache
def exits(student, number):
    """The exits of a guest that is busy with several devices."""
    mine = seed(student, f"{name} {number}")
    text = "x" * mine.number("letters", 3, 9)
    source = BUSY.replace("READS", str(mine.number("reads", 2, 7))).replace("TEXT", text)
    lab = Lab(code_cache=False)
    guest(lab, source, "busy")
    lab.shell("vm start busy")
    return lab.trace.exits()


def truth(frame):
    right = dict.fromkeys(DEVICES, (0, 0))
    for row in frame.itertuples():
        for device, (base, size) in DEVICES.items():
            if row.reason in ("MmioRead", "MmioWrite") and base <= row.address < base + size:
                right[device] = (right[device][0] + 1, right[device][1] + int(row.cost))
    return right


def said(by_device, student, number=1):
    got = by_device(exits(student, number), dict(DEVICES))
    return {str(key): tuple(int(n) for n in value) for key, value in got.items()} if isinstance(got, dict) else got


def is_that(by_device, student, change):
    right = truth(exits(student, 1))
    wrong = change(exits(student, 1), right)
    return said(by_device, student) == wrong != right


def only_reads(frame, right):
    return truth(frame[frame["reason"] == "MmioRead"])


def only_writes(frame, right):
    return truth(frame[frame["reason"] == "MmioWrite"])


def without_zeros(frame, right):
    return {device: pair for device, pair in right.items() if pair[0]}


def at_base_only(frame, right):
    bases = [base for base, _ in DEVICES.values()]
    return truth(frame[frame["address"].isin(bases)])


def as_instructions(frame, right):
    return {device: (count, count * 100) for device, (count, _) in right.items()}


MISTAKES = [
    (lambda by_device, student: not isinstance(said(by_device, student), dict),
     "A dict is wanted: name -> (exits, ns)."),
    (lambda by_device, student: is_that(by_device, student, without_zeros),
     "A device that was not touched is missing. It has (0, 0)."),
    (lambda by_device, student: is_that(by_device, student, only_reads) or is_that(by_device, student, only_writes),
     "Loads and stores are exits of different reasons, and you count only one of them."),
    (lambda by_device, student: is_that(by_device, student, at_base_only),
     "A device is a *range* of addresses: you count only its first one."),
    (lambda by_device, student: is_that(by_device, student, as_instructions),
     "What an exit costs stands in the column `cost`, in ns."),
]  # fmt: skip


@test_case(points=1)
def test_one_run(by_device, student):
    expect("by_device(exits, devices)", said(by_device, student), truth(exits(student, 1)))


@test_case(points=2)
def test_another_run(by_device, student):
    expect("by_device of another run", said(by_device, student, 2), truth(exits(student, 2)))
    nothing = exits(student, 2).iloc[:0]
    got = by_device(nothing, dict(DEVICES))
    expect("by_device of a run without exits", {k: tuple(v) for k, v in got.items()}, dict.fromkeys(DEVICES, (0, 0)))
