"""Exercise 10.3: who wrote last, in the history of a lab."""

from functools import cache

from otter.test_files import test_case

from axlab import Lab
from axlab.course import expect, guest, seed
from axlab.errors import AxError

OK_FORMAT = False
name = "10.3"
points = 3

HINTS = [
    "You stand at the end of the guest's life. In which direction do you have to look, and for what?",
    "Set a watchpoint for writes (`vm watch VM ADDRESS --write`), and go back to where it held last: "
    "`vm back VM --continue`.",
    "`lab.shell(f\"vm watch {vm} {address:#x} --write\")`, then `lab.shell(f\"vm back {vm} --continue\")"
    ".stopped.hit.pc`.",
]
GUEST = """
_start: adr     x0, data
        mov     x1, #TURNS
fill:   str     x1, [x0]                // the usual writer
        subs    x1, x1, #1
        b.ne    fill
        mov     x2, #77
near:   str     x2, [x0, #8]            // a neighbour
late:   STORE                           // the one that is looked for
read:   ldr     x3, [x0]
again:  str     x2, [x0, #16]
end:    add     x19, x19, #1
        b       end
        .balign 8
data:   .quad   0, 0, 0
"""
STORES = ("strb    w2, [x0, #3]", "strh    w2, [x0, #6]", "str     w2, [x0, #4]", "str     x2, [x0]", "nop")


@cache
def place(store, turns):
    """(labels, source) of a guest whose word at `data` is written last at `late`, or at `fill` where that is a nop."""
    from axlab.guests import LOAD_ADDRESS
    from axlab.machine.isa.assembler import assemble

    source = GUEST.replace("STORE", store).replace("TURNS", str(turns))
    return assemble(source, origin=LOAD_ADDRESS).symbols, source


def lab_of(store, turns):
    symbols, source = place(store, turns)
    lab = Lab(code_cache=False)
    guest(lab, source, "suspect")
    lab.shell("vm start suspect --detach; vm run --for 1ms")
    return lab, symbols


@cache
def answers(who_wrote, student):
    """[(what the function says, what is right, the labels)] for several guests."""
    mine = seed(student, name)
    found = []
    for store in mine.shuffled("stores", STORES)[:3] + ["nop"]:
        lab, symbols = lab_of(store, mine.number(store, 5, 20))
        try:
            said = who_wrote(lab, "suspect", symbols["data"])
        except AxError as error:
            said = str(error)
        right = symbols["fill" if store == "nop" else "late"]
        found.append((int(said) if isinstance(said, int) else said, right, symbols))
    return found


def always(who_wrote, student, label):
    return all(said == symbols[label] for said, _, symbols in answers(who_wrote, student))


MISTAKES = [
    (lambda who_wrote, student: all(said is None for said, _, _ in answers(who_wrote, student)),
     "Nothing is returned. Is there a `return`?"),
    (lambda who_wrote, student: always(who_wrote, student, "fill"),
     "You name who writes there usually. The last one was somebody else, at times."),
    (lambda who_wrote, student: all(said == right + 4 for said, right, _ in answers(who_wrote, student)),
     "That is the instruction *behind* the one that wrote: the machine stops when the store is done."),
    (lambda who_wrote, student: always(who_wrote, student, "read"), "That one reads. Watch for writes only."),
    (lambda who_wrote, student: all(said not in (symbols["fill"], symbols["late"], symbols["read"])
                                    for said, _, symbols in answers(who_wrote, student)),
     "No instruction that touches the address is where you say. Where does the guest stand now, and where did it?"),
]  # fmt: skip


@test_case(points=3, success_message="Found, each time.")
def test_the_last_writer(who_wrote, student):
    for said, right, _ in answers(who_wrote, student):
        got = hex(said) if isinstance(said, int) else said
        expect("who_wrote(lab, 'suspect', data)", got, hex(right))
