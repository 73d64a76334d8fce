"""Exercise 4.1: descriptors of stage 1, by what a guest that uses them can load and store."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, expect_that, guest, seed
from axlab.errors import AxError
from axlab.machine.walks import walk

OK_FORMAT = False
name = "4.1"
points = 3

HINTS = [
    "Which gigabyte is an address in? Shift it right by 30. Which descriptor did experiment 2 write for "
    "`0x4000_0000`?",
    "Descriptor 1 is `0x4000_0701`, as in experiment 2. The other one leads to the same memory, with one more bit.",
    "`{1: 0x4000_0701, va_4_1 >> 30: 0x4000_0701 | 1 << 7}`",
]
GB = 1 << 30
SECRET = 0x5EC2E7

GUEST = """
_start: adr     x0, table
        msr     ttbr0_el1, x0
        ldr     x1, =0x200803519
        msr     tcr_el1, x1
        mov     x1, #0xff
        msr     mair_el1, x1
        dsb     sy
        isb
        mrs     x1, sctlr_el1
        orr     x1, x1, #1
        msr     sctlr_el1, x1
        isb
        ldr     x5, =TARGET
        ldr     x19, [x5]
end:    wfi
        b       end
        .balign 4096
table:  .skip   4096
secret: .quad   SECRET
"""
TABLE, SECRET_AT = 0x4008_1000, 0x4008_2000


def given(student):
    return {"va_4_1": seed(student, name).number("gigabyte", 2, 400) * GB}


def well_formed(table):
    return isinstance(table, dict) and all(
        isinstance(n, int) and isinstance(d, int) and 0 <= n < 512 and 0 <= d < 1 << 64 for n, d in table.items()
    )


@cache
def run(items, va):
    """(state and fault, x19, the walk of va to read, the same to write) with these descriptors."""
    lab = Lab(code_cache=False)
    source = GUEST.replace("TARGET", hex(va + SECRET_AT - GB)).replace("SECRET", hex(SECRET))
    vm = guest(lab, source, "mapped")
    try:
        lab.shell("vm start mapped --detach")
        for index, descriptor in items:
            vm.write(TABLE + 8 * index, descriptor.to_bytes(8, "little"))
        lab.shell("vm run --for 1ms")
    except AxError as error:
        return str(error), 0, None, None
    cpu = vm.vcpus[0].cpu
    return vm.fault, cpu.x[19], walk(cpu, va + SECRET_AT - GB), walk(cpu, va + SECRET_AT - GB, "w")


def result(table, student):
    return run(tuple(sorted(table.items())), given(student)["va_4_1"])


MISTAKES = [
    (lambda table_4_1: not well_formed(table_4_1),
     "A dict of numbers is wanted: index (0 to 511) -> descriptor of 64 bits."),
    (lambda table_4_1, student: 1 not in table_4_1, "Without descriptor 1 the guest cannot fetch its next "
    "instruction, once the MMU is on."),
    (lambda table_4_1, student: given(student)["va_4_1"] >> 30 not in table_4_1,
     "There is no descriptor for `va_4_1`. A descriptor is for a gigabyte: 30 bits of address lie below its index."),
    (lambda table_4_1, student: len(table_4_1) > 2, "There are more descriptors than the two that are wanted."),
    (lambda table_4_1, student: result(table_4_1, student)[1] == SECRET and result(table_4_1, student)[3].fault is None,
     "The memory is there, and can be written through `va_4_1`. Which bit forbids that?"),
    (lambda table_4_1, student: result(table_4_1, student)[2] is not None
     and "access_flag" in str(result(table_4_1, student)[2].fault),
     "The hardware reports an access flag fault: bit 10 of a descriptor has to be 1."),
    (lambda table_4_1, student: result(table_4_1, student)[1] != SECRET,
     "The guest does not find its secret at `va_4_1`. Where does your descriptor lead?"),
]  # fmt: skip


@test_case(points=2, success_message="The memory is there.")
def test_it_reads(table_4_1, student):
    expect_that("table_4_1", well_formed(table_4_1), table_4_1, "a dict, index -> descriptor")
    fault, secret, _, _ = result(table_4_1, student)
    expect_that("the guest", not fault, fault, "no fault")
    expect("what it loads through va_4_1", hex(secret), hex(SECRET))
    expect("how many descriptors there are", len(table_4_1), 2)


@test_case(points=1, success_message="And cannot be written.")
def test_it_does_not_write(table_4_1, student):
    expect_that("table_4_1", well_formed(table_4_1), table_4_1, "a dict, index -> descriptor")
    _, _, _, write = result(table_4_1, student)
    fault = None if write is None else write.fault
    refused = fault is not None and fault.kind == "permission"
    expect_that("a store through va_4_1", refused, str(fault) if fault else "allowed", "a permission fault")
