"""How the text of a block ends: with a loop, with another block of its region, or by leaving the function.

The budget `b` is brought up to date wherever a block is left or begins anew. Where a function is entered or goes
round there is enough of it for `MAX_INSTRUCTIONS`, so that it never ends in between. A region keeps it in a local
variable `k`, which is cheaper in a loop, and writes it back where it is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from axlab.machine.translator import runs
from axlab.machine.translator.plan import ALIGNED, MAX_INSTRUCTIONS, level_of

if TYPE_CHECKING:
    from axlab.machine.translator.writer import Writer

PREDICTED = 3  # targets of a computed branch that are compared before they are looked up


def leave(writer: Writer, target: str, indent: str) -> None:
    """Leave the block for a target: an address, or text that computes one."""
    if target.isdigit():
        go(writer, int(target), indent)
        return
    at = writer.at
    seen = [after for before, after in writer.plan.edges if before == at.pc and after not in at.left_for]
    for known in seen[:PREDICTED]:
        writer.put(indent, f"if {target}=={known}:")
        writer.at = at.inside(indent + " ")
        writer.at.facts.learn(f"{target}={known}", None)
        go(writer, known, "")
        writer.at = at
    writer.put(indent, done(writer))
    writer.put(indent, f"return F[{target}]")


def go(writer: Writer, target: int, indent: str) -> None:
    """Leave the block for one at a known address."""
    at = writer.at
    at.left_for.add(target)
    if target in writer.plan.heads:
        again(writer, target, indent)
    elif (at.pc, target) in writer.plan.edges:
        begin_inside(writer, target, indent)
    else:
        writer.put(indent, done(writer))
        writer.put(indent, f"return {function_at(writer, target)}")


def done(writer: Writer) -> str:
    """The statements that bring flags, budget and recording up to date where the function is left."""
    spent = f"b=k-{writer.at.count}" if writer.plan.is_region else f"b-={writer.at.count}"
    return up_to_date(writer, spent)


def up_to_date(writer: Writer, spent: str) -> str:
    """The statements that bring flags and recording up to date, and the budget by one that is given."""
    stored = writer.at.flags[0].store() if writer.at.unstored else ""
    return ";".join(filter(None, (stored, spent, writer.recorded_run())))


def function_at(writer: Writer, target: int) -> str:
    """The function of another block: in a cell if it is in this page, or else looked up."""
    return f"L{target:x}" if target >> 12 == writer.at.pc >> 12 else f"F[{target}]"


def again(writer: Writer, head: int, indent: str) -> None:
    """Go round for a head of the function."""
    before = writer.plain[writer.begun :]
    budget = "k" if writer.plan.is_region else "b"
    writer.put(indent, up_to_date(writer, f"{budget}-={writer.at.count}"))
    prove(writer, head)
    if head != writer.head:
        writer.put(indent, f"g={writer.plan.heads.index(head)}")
    elif not writer.records_runs:
        writer.add_lines(indent, runs.run(before, writer.at.count, MAX_INSTRUCTIONS, budget))
    writer.loops = True
    writer.put(indent, f"if {budget}>={MAX_INSTRUCTIONS}:continue")
    kept = "b=k;" if writer.plan.is_region else ""
    writer.put(indent, f"{kept}return {function_at(writer, head)}")


def begin_inside(writer: Writer, target: int, indent: str) -> None:
    """Write another block of the region where this one is left for it."""
    here = writer.at
    run = writer.recorded_run()
    if run:
        writer.put(indent, run)
    writer.at = here.entering(target, here.margin + indent)
    if here.count + writer.plan.lengths[target] > MAX_INSTRUCTIONS:
        writer.store_flags("")
        writer.put("", f"k-={here.count}")
        writer.put("", f"if k<{MAX_INSTRUCTIONS}:b=k;return L{target:x}")
        writer.at.owed = 0
    writer.write_block()
    writer.at = here


def prove(writer: Writer, head: int) -> None:
    """Note what is assumed at a head of a region and does not follow from what is known here."""
    facts = writer.at.facts
    for name, bound in list(writer.assumed[head].items()):
        if name == ALIGNED:
            if "sp" not in facts.aligned:
                writer.refuted.append((head, name, None))
        elif (known := facts.surely(name)) is None or known > bound:
            writer.refuted.append((head, name, level_of(known)))
