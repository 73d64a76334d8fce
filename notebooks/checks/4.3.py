"""Exercise 4.3: one memory region for three VMs, by whether all three run."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "4.3"
points = 2

HINTS = [
    "What must differ between the three VMs, and what must be equal? Which map type gives each one memory of "
    "its own?",
    "The flags: fetch (X), load (R) and store (W). 32 MB are `32 << 20` bytes.",
    "`(base_4_3, 32 << 20, 7, 0)`",
]
STORES = """
_start: adr     x0, data
        mov     x1, #99
        str     x1, [x0]
        ldr     x19, [x0]
end:    wfi
        b       end
        .balign 8
data:   .quad   0
"""


def given(student):
    return {"base_4_3": seed(student, name).choice("base", (0x8000_0000, 0xA000_0000, 0x1_0000_0000, 0x1_4000_0000))}


def well_formed(region):
    return isinstance(region, tuple | list) and len(region) == 4 and all(isinstance(n, int) for n in region)


@cache
def made(region, base):
    """(what each of three VMs loaded back, complaint)."""
    lab = Lab(code_cache=False)
    try:
        vms = [guest(lab, STORES, f"vm{n}", region=region, load=base + 0x8_0000) for n in range(3)]
    except (AxError, ValueError, OverflowError) as error:
        return [], str(error)
    lab.shell("vm start all --detach; vm run --for 1ms")
    return [vm.vcpus[0].cpu.x[19] for vm in vms], "".join(vm.fault for vm in vms)


def result(region, student):
    return made(tuple(region), given(student)["base_4_3"])


MISTAKES = [
    (lambda region_4_3: not well_formed(region_4_3), "A region is four numbers: (gpa, size, flags, map_type)."),
    (lambda region_4_3, student: region_4_3[3] == 1 and "RAM" in result(region_4_3, student)[1],
     "With MapIdentical there is only one place for it, if any. Three VMs cannot have the same memory."),
    (lambda region_4_3, student: "without X" in result(region_4_3, student)[1],
     "The guest may not execute there: X is 4."),
    (lambda region_4_3, student: "outside the guest's RAM" in result(region_4_3, student)[1],
     "The image lies outside of the region. It is linked for `base_4_3` + `0x8_0000`."),
    (lambda region_4_3, student: result(region_4_3, student)[1] != "" and not region_4_3[2] & 2,
     "The guests begin, and their first store fails: W is 2."),
    (lambda region_4_3, student: result(region_4_3, student)[0] == [99] * 3 and region_4_3[1] != 32 << 20,
     "They run, with another amount of memory than was asked for: 32 MB are 32 times 1024 times 1024 bytes."),
]  # fmt: skip


@test_case(points=1, success_message="All three run.")
def test_all_run(region_4_3, student):
    expect_that("region_4_3", well_formed(region_4_3), region_4_3, "(gpa, size, flags, map_type)")
    loaded, wrong = result(region_4_3, student)
    expect_that("three VMs with it", not wrong, wrong, "no complaint")
    expect("what each of them loads back", loaded, [99, 99, 99])


@test_case(points=1, success_message="With the memory that they need.")
def test_size(region_4_3, student):
    expect_that("region_4_3", well_formed(region_4_3), region_4_3, "(gpa, size, flags, map_type)")
    expect("its address and size", (hex(region_4_3[0]), region_4_3[1]), (hex(given(student)["base_4_3"]), 32 << 20))
