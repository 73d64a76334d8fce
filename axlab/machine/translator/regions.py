"""A region of hot code as one Python function: loops over several blocks run without leaving it.

The function is a loop over the texts of the region's *heads*, of which `g` says the next one. A block that follows
one other alone stands where that is left, so that branches become if and else. At every head bounds of registers are
assumed, as many as hold wherever a branch leads to it; those of the first head are tested when the function is
entered. If they do not hold then, the block that would be there without a region is executed instead.
"""

from __future__ import annotations

from collections.abc import Set

from axlab.machine.translator.blocks import Block, finished
from axlab.machine.translator.plan import Plan
from axlab.machine.translator.writer import Fetch, Writer

ROUNDS = 2  # attempts to find a weaker assumption that holds; then those that do not are dropped


def translate_region(plan: Plan, fetch: Fetch, records_runs: bool, misaligned: Set[int]) -> Block:
    """The region that a plan describes."""
    writer = written(plan, fetch, records_runs, misaligned)
    entry, used = plan.heads[0], writer.used
    tests = [f"{name}>{bound}" for name, bound in writer.assumed[entry].items() if name in used]
    guard = f"if {' or '.join(tests)}:return N{entry:x}" if tests else ""
    return finished(writer, guard, "k=b;g=0" if len(plan.heads) > 1 else "k=b", "while 1:")


def written(plan: Plan, fetch: Fetch, records_runs: bool, misaligned: Set[int]) -> Writer:
    """The text of all heads, under assumptions of which those that it uses hold."""
    assumed = {head: dict(plan.bounds) for head in plan.heads}
    rounds = 0
    while True:
        writer = Writer(plan, fetch, records_runs, misaligned, assumed)
        for number, head in enumerate(plan.heads):
            if len(plan.heads) > 1:
                writer.lines.append(f"{'elif' if number else 'if'} g=={number}:")
            writer.write_head(head, " " if len(plan.heads) > 1 else "")
        if writer.used.isdisjoint(name for _, name, _ in writer.refuted):
            return writer
        rounds += 1
        weaken(assumed, writer, keeps_weaker=rounds <= ROUNDS)


def weaken(assumed: dict[int, dict[str, int]], writer: Writer, keeps_weaker: bool) -> None:
    """Drop the assumptions that were refuted, or that the text does not use, or replace them by what holds."""
    for head, name, weaker in writer.refuted:
        if weaker is None or not keeps_weaker:
            assumed[head].pop(name, None)
        elif name in assumed[head]:
            assumed[head][name] = max(weaker, assumed[head][name])
    for bounds in assumed.values():
        for name in bounds.keys() - writer.used:
            del bounds[name]
