"""Exercise 4.2: a walk of stage 2 in Python, on the real tables of real VMs."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed
from axlab.machine.walks import walk_stage2

OK_FORMAT = False
name = "4.2"
points = 4

HINTS = [
    "Begin with level 1: which index has the address, and at which address is that descriptor? A descriptor has "
    "8 bytes.",
    "A loop over `(30, 21, 12)`: `descriptor = read(table + 8 * index)`. Not valid: None. A block, or level 3: "
    "its address and "
    "the bits of the IPA below. A table: go on with it.",
    "`index = (ipa >> shift) & 0x1FF`, but for level 1, where it has 10 bits. The address in a descriptor is "
    "`descriptor & "
    "0xFFFF_FFFF_F000`; of a block the bits below `shift` come from the IPA.",
]
ADDRESS = 0xFFFF_FFFF_F000


@cache
def tables():
    """(lab, vms): one with large blocks, one with pages at odd places, one far up."""
    lab = Lab(code_cache=False)
    idle = "_start: wfi\n b _start"
    regions = [(0x4000_0000, 16 << 20, 7, 0), (0x4012_3000, 0x35_5000, 7, 0), (0x91_4000_0000, 4 << 20, 7, 0)]
    return lab, [guest(lab, idle, f"vm{n}", region=r, load=r[0] + 0x1000) for n, r in enumerate(regions)]


@cache
def questions(student):
    """(vm, ipa) pairs: in RAM, in devices, at the edges, and where nothing is."""
    mine = seed(student, name)
    asked = []
    for place, vm in enumerate(tables()[1]):
        region = vm.config.kernel.memory_regions[0]
        inside = [region.gpa + mine.number(f"{place} {n}", 0, region.size - 1) for n in range(6)]
        edges = [region.gpa, region.gpa + region.size - 1, region.gpa - 1, region.gpa + region.size, 0, (1 << 40) - 1]
        asked += [(place, ipa) for ipa in inside + edges]
    return asked


def truth(place, ipa):
    return walk_stage2(tables()[1][place].vcpus[0].cpu, ipa).pa


def said(walk2, place, ipa):
    lab, vms = tables()

    def read(address):
        return int.from_bytes(lab.board.memory.read(address, 8), "little")

    got = walk2(read, int(vms[place].stage2.root), ipa)
    return None if got is None else int(got)


def answers(walk2, student):
    return [said(walk2, place, ipa) for place, ipa in questions(student)]


def wrong(walk2, student):
    """(what was said, what is right, ipa) where they differ."""
    pairs = zip(answers(walk2, student), questions(student), strict=True)
    return [(got, truth(*asked), asked[1]) for got, asked in pairs if got != truth(*asked)]


def all_wrong_are(walk2, student, what):
    """Whether something is wrong, and `what(got, right, ipa)` holds for all of it."""
    found = wrong(walk2, student)
    return bool(found) and all(what(*one) for one in found)


def is_page(got, right, ipa):
    return None not in (got, right) and got == right & ~0xFFF


def is_near(got, right, ipa):
    return None not in (got, right) and got >> 21 == right >> 21


MISTAKES = [
    (lambda walk2, student: all(got is None for got in answers(walk2, student)),
     "You find nothing anywhere. Which bit says that a descriptor is valid?"),
    (lambda walk2, student: all_wrong_are(walk2, student, lambda got, right, ipa: ipa >> 39),
     "Right below `0x80_0000_0000`, and wrong above: level 1 has 1024 descriptors, and so its index 10 bits."),
    (lambda walk2, student: all_wrong_are(walk2, student, is_page),
     "You return the address of the page. The lowest 12 bits of the IPA belong to the result, too."),
    (lambda walk2, student: all_wrong_are(walk2, student, is_near),
     "Near, and not right, where a *block* is: of its 2 MiB, all lower 21 bits come from the IPA."),
    (lambda walk2, student: any(got is not None and right is None for got, right, _ in wrong(walk2, student)),
     "You return an address where nothing is mapped. What if bit 0 of a descriptor is 0?"),
    (lambda walk2, student: any((got or 0) >> 48 for got, right, _ in wrong(walk2, student)),
     "The upper bits of a descriptor are no address: XN is one of them, at bit 54."),
]  # fmt: skip


@test_case(points=2, success_message="Blocks are found.")
def test_blocks(walk2, student):
    for place, ipa in questions(student)[:12]:
        expect(f"walk2(read, root, {ipa:#x})", said(walk2, place, ipa), truth(place, ipa))


@test_case(points=2, success_message="And pages, and what is far up.")
def test_pages(walk2, student):
    for place, ipa in questions(student)[12:]:
        expect(f"walk2(read, root, {ipa:#x})", said(walk2, place, ipa), truth(place, ipa))
