"""Random programs as compilers write them: nested loops with branches, calls, faults and changing code inside."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from unicorn_oracle import POINTER

COUNTERS = 20  # x20 to x25 count loops, by depth
CODE = 26  # the register that points to the program
OTHER = 27  # a second pointer to data

STRAIGHT = (
    "add w{d}, w{s}, w{t}", "add x{d}, x{s}, x{t}", "sub x{d}, x{s}, #{i}", "subs x{d}, x{s}, x{t}", "mov w{d}, w{s}",
    "eor x{d}, x{s}, x{t}, lsr #7", "and x{d}, x{s}, #0xff", "ror w{d}, w{s}, #5", "lsl x{d}, x{s}, #3",
    "mov x{d}, x{s}",
    "sxtw x{d}, w{s}", "mul x{d}, x{s}, x{t}",
    "udiv w{d}, w{s}, w{t}", "csel x{d}, x{s}, x{t}, lt", "cset w{d}, hi",
    "adds w{d}, w{s}, w{t}", "adcs x{d}, x{s}, x{t}", "ccmp x{s}, #3, #{f}, ne", "tst x{s}, x{t}", "movz x{d}, #{i}",
    "add x{d}, x{s}, w{t}, uxtw #2", "movn x{d}, #{i}", "sbc x{d}, x{s}, x{t}", "extr x{d}, x{s}, x{t}, #13",
)  # fmt: skip
MEMORY = (
    "ldr x{d}, [x{p}, #{o}]", "str x{s}, [x{p}, #{o}]", "ldrb w{d}, [x{p}], #1", "strb w{s}, [x{p}, #3]",
    "ldp x{d}, x{t}, [x{p}]", "stp x{s}, x{t}, [x{p}, #-16]", "ldr w{d}, [x{p}, #4]!", "str w{s}, [x{p}], #4",
    "ldrsw x{d}, [x{p}, #{o}]", "stp x{s}, x{t}, [sp, #-16]!", "ldp x{d}, x{t}, [sp], #16", "ldr x{d}, [sp, #8]",
)  # fmt: skip
SYSTEM = (
    "svc #0", "mrs x{d}, cntvct_el0", "mrs x{d}, nzcv", "msr nzcv, x{s}", "msr daifclr, #3", "msr daifset, #2",
    "mrs x{d}, sp_el0", "ic ivau, x{c}", "tlbi vmalle1", "udf #0", "ldr x{d}, [x{s}]", "add x{p}, x{p}, #{i}",
    "sub sp, sp, #16", "add sp, sp, #16", "mov x{p}, x{q}", "ldxr x{d}, [x{p}]", "stxr w{d}, x{s}, [x{p}]", "yield",
    "dc zva, x{p}", "tlbi vae1, x{s}",
)  # fmt: skip
CONDITIONS = ("eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le")


@dataclass(slots=True)
class Program:
    """The lines of a program while it grows."""

    rng: random.Random
    lines: list[str] = field(default_factory=list)
    labels: int = 0
    functions: int = 0

    def label(self) -> str:
        self.labels += 1
        return f"l{self.labels}"

    def add(self, line: str) -> None:
        rng = self.rng
        d, s, t = rng.sample(range(12), 3)
        pointer, other = rng.sample((POINTER, OTHER), 2)
        offset = rng.choice((0, 8, 16, 256, 4088))
        numbers = {"i": rng.choice((1, 4, 255, 4095)), "f": rng.randrange(16), "o": offset, "c": CODE}
        self.lines.append(line.format(d=d, s=s, t=t, p=pointer, q=other, **numbers))

    def body(self, depth: int, size: int) -> None:
        """Some statements."""
        for _ in range(self.rng.randint(1, size)):
            choice = self.rng.random()
            if choice < 0.45:
                self.add(self.rng.choice(STRAIGHT))
            elif choice < 0.65:
                self.add(self.rng.choice(MEMORY))
            elif choice < 0.69:
                self.add(self.rng.choice(SYSTEM))
            elif choice < 0.82:
                self.either(depth, size)
            elif choice < 0.92 and depth < 4:
                self.loop(depth, size)
            elif choice < 0.96 and self.functions:
                self.call()
            elif choice < 0.965:
                self.change()

    def either(self, depth: int, size: int) -> None:
        """An if, perhaps with an else, perhaps with a way out of what surrounds it."""
        other, end = self.label(), self.label()
        register = self.rng.randrange(12)
        self.lines.append(
            self.rng.choice(
                (
                    f"cmp x{register}, #{self.rng.randrange(300)}\n b.{self.rng.choice(CONDITIONS)} {other}",
                    f"b.{self.rng.choice(CONDITIONS)} {other}",
                    f"cbz w{register}, {other}",
                    f"tbnz x{register}, #{self.rng.randrange(8)}, {other}",
                )
            )
        )
        self.body(depth + 1, size // 2 + 1)
        if self.rng.random() < 0.5:
            self.lines.append(f"b {end}")
        self.lines.append(f"{other}:")
        self.body(depth + 1, size // 2 + 1)
        self.lines.append(f"{end}:")

    def loop(self, depth: int, size: int) -> None:
        """A counted loop."""
        again, counter = self.label(), COUNTERS + depth
        times = self.rng.choice((2, 5, 20, 100))
        self.lines += [f"mov w{counter}, #{times}", f"{again}:"]
        self.body(depth + 1, size // 2 + 1)
        end = f"cmp w{counter}, #0\n b.gt {again}"
        self.lines.append(
            self.rng.choice(
                (
                    f"subs w{counter}, w{counter}, #1\n b.ne {again}",
                    f"sub w{counter}, w{counter}, #1\n cbnz w{counter}, {again}",
                    f"sub w{counter}, w{counter}, #1\n {end}",
                )
            )
        )

    def call(self) -> None:
        number = self.rng.randrange(self.functions)
        self.lines += ["str x30, [sp, #-16]!", f"bl f{number}", "ldr x30, [sp], #16"]

    def change(self) -> None:
        """Exchange an instruction of the program for another one."""
        self.lines += ["ldr w12, [x26, #8]", f"str w12, [x26, #{4 * self.rng.randrange(60)}]"]


def looping_program(rng: random.Random) -> str:
    """The source of a program that goes round for ever. x26 points to its start, x27 and x28 to data."""
    program = Program(rng)
    program.functions = rng.randint(0, 2)
    program.lines += ["start:"]
    program.body(0, 12)
    program.loop(0, 10)
    program.lines += ["b start"]
    for number in range(program.functions):
        program.lines.append(f"f{number}:")
        program.functions = number  # a function calls those before it
        program.body(3, 5)
        if number and rng.random() < 0.5:
            program.lines.append("cbnz w24, 9f\n mov w24, #3\n9: nop")
        program.lines.append("ret")
    return "\n".join(program.lines)
