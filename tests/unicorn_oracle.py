"""Unicorn beside AxLab's CPU: the same instructions on the same state, and what differs afterwards."""

from __future__ import annotations

import ctypes
import random
import struct
import sys
from dataclasses import dataclass
from typing import Any

from axlab.machine.bus import Bus
from axlab.machine.cpu import Cpu
from axlab.machine.features import Features
from axlab.machine.isa.table import Row, load_table
from axlab.machine.memory import Memory

CODE = 0x8000_0000  # instructions; a margin on both sides for literals and branches
CODE_SIZE = 16 << 20
FIRST = CODE + (4 << 20)
LAST = CODE + (12 << 20)
DATA = 0x4000_0000
DATA_SIZE = 1 << 18
MIDDLE = DATA + DATA_SIZE // 2
TABLE = 0xC000_0000  # AxLab's CPU: one table that maps VA to VA, so that memory is Normal

DATA_BLOCK = DATA | 1 << 54 | 1 << 53 | 1 << 10 | 3 << 8 | 1 << 6 | 1  # EL0 too, not executable
CODE_BLOCK = CODE | 1 << 54 | 1 << 10 | 3 << 8 | 1

# What changes the course of events instead of computing; tested elsewhere.
SYSTEM = {
    "UDF", "SVC", "HVC", "SMC", "BRK", "HLT", "DCPS1", "DCPS2", "DCPS3", "DRPS", "ERET", "YIELD", "WFE", "WFI", "SEV",
    "SEVL", "MSR_imm", "SYS", "SYSL", "MSR_reg", "MRS", "HINT",
}  # fmt: skip
BRANCHES = {"B", "BL", "B_cond", "CBZ", "CBNZ", "TBZ", "TBNZ", "BR", "BLR", "RET"}


@dataclass
class Difference(Exception):
    """The two disagree."""

    what: str
    words: list[int]
    details: str

    def __str__(self) -> str:
        from axlab.machine.isa.disassembler import disassemble

        text = "; ".join(f"{word:08x} {disassemble(word)}" for word in self.words)
        return f"{self.what} after {text}: {self.details}"


def is_memory(row: Row) -> bool:
    """Whether the instruction loads or stores at a base register."""
    return "rn" in row.fields and "rt" in row.fields


def is_unicorn_bug(row: Row, values: dict[str, int]) -> bool:
    """What Unicorn 2.1 gets wrong.

    LDSMAX and LDSMIN of bytes, halfwords and words: QEMU 5 compared them as unsigned numbers
    (test_semantics.py has what is right).
    """
    return row.name in ("LDSMAX", "LDSMIN") and values["size"] < 3


ROWS = [row for row in load_table().rows.values() if row.name not in SYSTEM]
STRAIGHT = [row for row in ROWS if row.name not in BRANCHES]


def random_fields(row: Row, rng: random.Random) -> dict[str, int] | None:
    """Random values of a row's fields, if they are an instruction whose result the manual defines."""
    values = {name: rng.getrandbits(width) for name, (_, width) in row.fields.items()}
    if rng.random() < 0.2:
        for name in values:
            if name in ("rn", "rm", "rd", "ra") and rng.random() < 0.5:
                values[name] = 31
    if not row.allocated(tuple(values.values())) or is_unpredictable(row, values) or is_unicorn_bug(row, values):
        return None
    return values


def is_unpredictable(row: Row, values: dict[str, int]) -> bool:
    """Forms whose result the manual leaves open, because two of their registers are the same one."""
    name, rn, rt = row.name, values.get("rn"), values.get("rt")
    general = not name.endswith("_fp")
    writes_back = "_post" in name or "_pre" in name
    if general and writes_back and rn != 31 and rn in (rt, values.get("rt2")) and not name.startswith(("LDn", "STn")):
        return True
    if name.startswith(("LDP", "LDXP", "LDAXP", "LDNP")) and rt == values.get("rt2"):
        return True
    if name.startswith(("STX", "STLX")):
        return values["rs"] in (rt, rn, values.get("rt2"))
    return False


SPIN = 0x1400_0000  # b .
POINTER = 28
DESTINATIONS = ("rd", "rt", "rt2", "rs")
NOT_IN_BLOCKS = ("BR", "BLR", "RET", "LDn_multiple_post", "LDn_single_post", "LDn_replicate_post")
BLOCK_ROWS = [row for row in ROWS if row.name.replace("STn", "LDn") not in NOT_IN_BLOCKS and "literal" not in row.name]


def writes_pointer(row: Row, values: dict[str, int]) -> bool:
    """Whether the instruction replaces the register that a block keeps its data's address in."""
    return any(values.get(name) == POINTER for name in DESTINATIONS) or (
        row.name == "CASP" and values["rs"] + 1 == POINTER
    )


class Reader:
    """Reads a fixed list of Unicorn's registers with one call into its library.

    The binding's own `reg_read_batch` looks every register up in Python, which takes longer than everything else.
    """

    def __init__(self, uc: Any, registers: list[int], width: int) -> None:
        self.uc = uc
        self.registers = registers
        self.width = width
        self.library = getattr(sys.modules.get("unicorn.unicorn_py3.unicorn"), "uclib", None)
        self.values = ctypes.create_string_buffer(width * len(registers))
        begin = ctypes.addressof(self.values)
        self.ids = (ctypes.c_int * len(registers))(*registers)
        self.places = (ctypes.c_void_p * len(registers))(*(begin + width * n for n in range(len(registers))))

    def read(self) -> tuple[int, ...]:
        if self.library is None or not hasattr(self.uc, "_uch"):
            return tuple(self.uc.reg_read_batch(self.registers))
        places = ctypes.cast(self.places, ctypes.POINTER(ctypes.c_void_p))
        status = self.library.uc_reg_read_batch(self.uc._uch, self.ids, places, len(self.registers))
        assert status == 0
        words = struct.unpack(f"<{self.width * len(self.registers) // 8}Q", self.values.raw)
        return words if self.width == 8 else tuple(low | high << 64 for low, high in zip(words[::2], words[1::2]))


class Pair:
    """Unicorn and a Cpu with the same registers and memory."""

    def __init__(self, seed: int, translates: bool = False) -> None:
        import unicorn
        from unicorn import arm64_const as k

        self.rng = random.Random(seed)
        self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.uc.ctl_set_cpu_model(k.UC_CPU_ARM64_MAX)
        self.uc.mem_map(CODE, CODE_SIZE)
        self.uc.mem_map(DATA, DATA_SIZE)
        self.uc.reg_write(k.UC_ARM64_REG_CPACR_EL1, 3 << 20)
        self.x_names = [k.UC_ARM64_REG_X0 + n for n in range(29)] + [k.UC_ARM64_REG_X29, k.UC_ARM64_REG_X30]
        self.general = [*self.x_names, k.UC_ARM64_REG_SP, k.UC_ARM64_REG_NZCV, k.UC_ARM64_REG_PC]
        self.vectors = [k.UC_ARM64_REG_V0 + n for n in range(32)]
        self.read_general = Reader(self.uc, self.general, 8)
        self.read_vectors = Reader(self.uc, self.vectors, 16)
        self.cpu = self.new_cpu()
        self.cpu.translates = translates
        self.place = FIRST
        self.randomise()

    def new_cpu(self) -> Cpu:
        memory = Memory(DATA, 4 << 30)
        memory.write_int(TABLE + 8, 8, DATA_BLOCK)
        memory.write_int(TABLE + 16, 8, CODE_BLOCK)
        cpu = Cpu(memory, Bus(), 0, 0, Features(lse=True))
        cpu.reset(CODE)
        cpu.sys.update(TTBR0_EL1=TABLE, TCR_EL1=25 | 25 << 16 | 1 << 23, MAIR_EL1=0xFF, CPACR_EL1=3 << 20)
        cpu.sys["SCTLR_EL1"] = cpu.sys["SCTLR_EL1"] & ~0x18 | 1  # on, and the stack pointer need not be aligned
        return cpu

    def random_value(self) -> int:
        """Numbers at the edges more often than chance gives them."""
        kind = self.rng.randrange(6)
        if kind == 0:
            return self.rng.choice((0, 1, 2, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 1 << 31, (1 << 31) - 1, 1 << 32))
        if kind == 1:
            return self.rng.getrandbits(8)
        if kind == 2:
            return self.rng.getrandbits(32)
        return self.rng.getrandbits(64)

    def randomise(self) -> None:
        """New registers and new data, the same on both sides."""
        cpu = self.cpu
        cpu.x = [self.random_value() for _ in range(31)]
        cpu.v = [self.random_value() << 64 | self.random_value() for _ in range(32)]
        cpu.sp_el1 = MIDDLE
        cpu.nzcv = self.rng.getrandbits(4)
        cpu.clear_exclusive()
        data = self.rng.randbytes(4096) * (DATA_SIZE // 4096)
        cpu.memory.write(DATA, data)
        self.uc.mem_write(DATA, data)
        self.write_unicorn()

    def write_unicorn(self) -> None:
        cpu = self.cpu
        values = [*cpu.x, cpu.sp_el1, cpu.nzcv << 28, cpu.pc]
        self.uc.reg_write_batch(list(zip(self.general, values, strict=True)))
        self.uc.reg_write_batch(list(zip(self.vectors, cpu.v, strict=True)))

    def set_x(self, n: int, value: int) -> None:
        """Write a general-purpose register (31: the stack pointer) on both sides."""
        if n == 31:
            self.cpu.sp_el1 = value
        else:
            self.cpu.x[n] = value
        self.uc.reg_write(self.general[n], value)

    def aim(self, row: Row, values: dict[str, int]) -> None:
        """Let the base register of a load or store point into the data, and branches into the code."""
        rn = values.get("rn", 31)
        if is_memory(row):
            needs_alignment = "X" in row.name or row.name in ("LDAR", "STLR") or "rs" in values
            grain = 16 if needs_alignment or self.rng.random() < 0.7 else 1
            if "option" in values and values["rm"] != 31:
                self.set_x(values["rm"], self.rng.getrandbits(10))
            if "option" in values and values["rm"] == rn:
                values["rm"] = 31
            self.set_x(rn, MIDDLE + self.rng.randrange(2048) * grain % 32768)
        elif row.name in ("BR", "BLR", "RET"):
            self.set_x(rn if rn != 31 else 0, CODE + self.rng.randrange(CODE_SIZE // 4) * 4)
            values["rn"] = 0 if rn == 31 else rn
        elif row.name in ("B", "BL"):
            values["imm26"] = values["imm26"] % (1 << 18) - (1 << 17) & (1 << 26) - 1

    def random_instruction(self, rows: list[Row]) -> tuple[Row, int]:
        """An instruction of a random row, aimed."""
        while True:
            row = self.rng.choice(rows)
            values = random_fields(row, self.rng)
            if values is not None:
                self.aim(row, values)
                return row, row.encode(values)

    def random_block(self, length: int) -> list[int]:
        """Code with branches forward, loads and stores around X28, which it keeps aligned."""
        words: list[int] = []
        while len(words) < length:
            row = self.rng.choice(BLOCK_ROWS)
            values = random_fields(row, self.rng)
            if values is None:
                continue
            if is_memory(row):
                values["rn"] = POINTER
                for name, value in (
                    ("rm", 31),
                    ("imm9", values.get("imm9", 0) & ~15),
                    ("imm7", values.get("imm7", 0) & ~3),
                ):
                    if name in values:
                        values[name] = value
                if "XR" in row.name or "XP" in row.name:  # whether sizes may be mixed is left open: all are 8 bytes
                    values["size" if "size" in values else "sf"] = 3 if "size" in values else 0
                if is_unpredictable(row, values):
                    continue
            for offset in ("imm19", "imm14", "imm26"):
                if offset in values and row.name in BRANCHES:
                    values[offset] = self.rng.randint(1, length - len(words))
            if not writes_pointer(row, values):
                words.append(row.encode(values))
        return words

    def put(self, words: list[int]) -> int:
        """Write instructions where none were before; the address of the first."""
        place = self.place
        words = [*words, SPIN]
        if place + 4 * len(words) > LAST:
            place = FIRST
            self.uc.ctl_flush_tb()
        data = struct.pack(f"<{len(words)}I", *words)
        self.uc.mem_write(place, data)
        self.cpu.memory.write(place, data)
        self.place = place + len(data) - 4
        return place

    def run(self, words: list[int], count: int | None = None) -> None:
        """Execute the words on both sides, to their end, or `count` instructions."""
        start = self.put(words)
        end = start + 4 * len(words)
        self.uc.emu_start(start, end, count=count or 0)
        cpu = self.cpu
        cpu.pc = start
        cpu.run(count or 2 * len(words))
        if cpu.sys["ESR_EL1"]:
            esr, cpu.sys["ESR_EL1"] = cpu.sys["ESR_EL1"], 0
            raise Difference("exception", words, f"ESR {esr:#x} FAR {cpu.sys['FAR_EL1']:#x}")

    def compare(self, words: list[int], vectors: bool, memory: bool = False) -> None:
        """Raise Difference where registers, flags, pc, or if asked for vectors or the data differ."""
        cpu = self.cpu
        ours = [*cpu.x, cpu.sp_el1, cpu.nzcv << 28, cpu.pc]
        self.check("registers", words, ours, self.read_general.read())
        if vectors:
            self.check("vectors", words, cpu.v, self.read_vectors.read())
        if memory:
            theirs = self.uc.mem_read(DATA, DATA_SIZE)
            if theirs != cpu.memory.read(DATA, DATA_SIZE):
                raise Difference("memory", words, "")

    def check(self, what: str, words: list[int], ours: list[int], theirs: tuple[int, ...]) -> None:
        if tuple(ours) != tuple(theirs):
            names = [f"X{n}" for n in range(31)] + ["SP", "NZCV", "PC"] if what == "registers" else range(32)
            wrong = [
                f"{name}: {a:#x}, unicorn {b:#x}" for name, a, b in zip(names, ours, theirs, strict=True) if a != b
            ]
            raise Difference(what, words, ", ".join(wrong))
