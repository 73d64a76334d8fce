"""Exercise 2.2: the RAM that a device tree describes."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed

OK_FORMAT = False
name = "2.2"
points = 2

HINTS = [
    "`fdt.parse(blob).child('memory').cells('reg')` has four numbers of 32 bits. What is each of them?",
    "An address of 64 bits is two cells, the high half first; so is the size.",
    "`high, low, size_high, size_low = ...`; then `high << 32 | low`.",
]


@cache
def trees(student):
    """Device trees of VMs with different RAM: (blob, base, size)."""
    mine = seed(student, name)
    made = []
    for number, base in enumerate((0x4000_0000, 0x3_0000_0000)):
        size = mine.number(f"size {number}", 8, 60) << 21
        lab = Lab()
        vm = guest(lab, "loop: b loop", base=base, mem=size)
        made.append((vm.read(vm.plan.dtb, 0x2000), base, size))
    huge = 5 << 30
    vm = guest(Lab(), "loop: b loop", mem=huge)
    return (*made, (vm.read(vm.plan.dtb, 0x2000), 0x4000_0000, huge))


def all_are(ram_of, student, change):
    """Whether every answer is the right one after `change`, and some of those differ from the right one."""
    answers = [tuple(ram_of(blob)) for blob, _, _ in trees(student)]
    wrong = [change(base, size) for _, base, size in trees(student)]
    return answers == wrong != [(base, size) for _, base, size in trees(student)]


MISTAKES = [
    (
        lambda ram_of, student: all_are(ram_of, student, lambda base, size: (base & 0xFFFFFFFF, size & 0xFFFFFFFF)),
        "Only the low halves arrive. This board has RAM above 4 GiB, and more than 4 GiB of it.",
    ),
    (
        lambda ram_of, student: all_are(ram_of, student, lambda base, size: (base >> 32, base & 0xFFFFFFFF)),
        "These are the first two cells, and both belong to the address. The size comes behind them.",
    ),
    (
        lambda ram_of, student: all_are(ram_of, student, lambda base, size: (base, base + size)),
        "The second number is the end of the RAM. Its size is wanted.",
    ),
    (
        lambda ram_of, student: all_are(ram_of, student, lambda base, size: (base, size >> 20)),
        "The size is in MiB. Bytes are wanted.",
    ),
    (
        lambda ram_of, student: all_are(ram_of, student, lambda base, size: (0x4000_0000, 16 << 20)),
        "That is the RAM of the VM `first`. The check has other device trees.",
    ),
]


@test_case(points=1)
def test_small(ram_of, student):
    blob, base, size = trees(student)[0]
    expect("ram_of a VM with RAM at 0x40000000", tuple(map(hex, ram_of(blob))), (hex(base), hex(size)))


@test_case(points=1)
def test_large(ram_of, student):
    for blob, base, size in trees(student)[1:]:
        expect(f"ram_of a VM with {size >> 20} MiB at {base:#x}", tuple(map(hex, ram_of(blob))), (hex(base), hex(size)))
