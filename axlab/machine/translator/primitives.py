"""The primitives of `Cpu` in the text of a block: what each becomes there.

Registers, the stack pointer and the flags are cells that all blocks share: `x0` to `x30`, `sp`,
and `FK`, `FA`, `FB`, from which the flags follow when somebody asks (see `flags`). `R8[page][I8[offset]]` is
a load of 8 bytes through the TLB, `W8` a store; whatever is not so simple raises, and the stepper does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from axlab.machine import system_registers
from axlab.machine.data_access import DC_ZVA_SIZE
from axlab.machine.register_table import SystemRegister
from axlab.machine.system_operations import DC_ZVA
from axlab.machine.tlb import PAGE_MASK
from axlab.machine.translator.records import Record
from axlab.machine.translator.values import M32, M64, Unfoldable, Value, combine, masked, number, text

if TYPE_CHECKING:
    from axlab.machine.translator.fold import Folder


def register(folder: Folder, n: Value, thirty_one: str) -> str:
    """The cell of a general-purpose register; `thirty_one` for number 31."""
    if n.kind == "number":
        return thirty_one if n.number == 31 else f"x{n.number}"
    if not n.text.isidentifier():
        raise Unfoldable("a register whose number is computed")
    if folder.decide(Value("hole", f"{n.text}==31")):
        return thirty_one
    return "x{" + n.text + "}"


def width(folder: Folder, sf: Value) -> int:
    return M64 if folder.decide(sf) else M32


def get_x(folder: Folder, n: Value, sf: Value) -> Value:
    name = register(folder, n, "")
    return masked(text(name, 0, M64), width(folder, sf)) if name else number(0)


def get_sp_or_x(folder: Folder, n: Value, sf: Value) -> Value:
    return masked(text(register(folder, n, "sp"), 0, M64), width(folder, sf))


def base(folder: Folder, n: Value) -> Value:
    name = register(folder, n, "sp")
    if name == "sp":
        add(folder, "check_sp")
    return text(name, 0, M64)


def set_x(folder: Folder, n: Value, sf: Value, value: Value) -> str:
    name = register(folder, n, "")
    if name:
        return write(folder, name, masked(value, width(folder, sf)))
    if value.effects == "memory":
        add(folder, "memory", value.text)
    return ""


def set_sp_or_x(folder: Folder, n: Value, sf: Value, value: Value) -> str:
    return write(folder, register(folder, n, "sp"), masked(value, width(folder, sf)))


def write(folder: Folder, name: str, value: Value) -> str:
    kind = "memory" if value.effects == "memory" else "line"
    folder.records.append(Record(kind, [f"{name}={value.run}"], high=value.most))
    return name


def place(folder: Folder, address: Value, size: int) -> tuple[str, str]:
    """Page and index of an access, as text; the address is evaluated once."""
    if size not in (1, 2, 4, 8):
        raise Unfoldable(f"an access of {size} bytes")
    if not address.simple:
        address = folder.temporary(address, "a")
    page, offset = bare(combine(">>", address, number(12))), bare(combine("&", address, number(PAGE_MASK)))
    return page, offset if size == 1 else f"I{size}[{offset}]"


def bare(value: Value) -> str:
    """The text of an operation without its brackets, which cost time when it is compiled."""
    return value.run[1:-1] if value.kind == "text" else value.run


def load(folder: Folder, address: Value, size: Value) -> Value:
    bytes_ = folder.decide(size)
    page, index = place(folder, address, bytes_)
    return text(f"R{bytes_}[{page}][{index}]", 0, (1 << 8 * bytes_) - 1, "memory")


def load_pair(folder: Folder, address: Value, size: Value) -> Value:
    """Load two neighbours into variables: both, or none."""
    bytes_ = folder.decide(size)
    page, index = place(folder, address, bytes_)
    add(folder, "memory", f"p=R{bytes_}[{page}];i={index};q=p[i];r=p[i+1]")
    return Value("tuple", "q|r", 0, (1 << 8 * bytes_) - 1)


def store(folder: Folder, address: Value, size: Value, value: Value) -> str:
    bytes_ = folder.decide(size)
    page, index = place(folder, address, bytes_)
    add(folder, "memory", f"W{bytes_}[{page}][{index}]={masked(value, (1 << 8 * bytes_) - 1).run}")
    return ""


def store_pair(folder: Folder, address: Value, size: Value, first: Value, second: Value) -> str:
    """Store two neighbours: the second first, because it may be outside the page."""
    bytes_ = folder.decide(size)
    page, index = place(folder, address, bytes_)
    mask = (1 << 8 * bytes_) - 1
    texts = [masked(value, mask).run for value in (first, second)]
    add(folder, "memory", f"p=W{bytes_}[{page}];i={index};p[i+1]={texts[1]};p[i]={texts[0]}")
    return ""


def aligned_load(folder: Folder, address: Value, size: Value) -> Value:
    check_alignment(folder, address, folder.decide(size))
    return load(folder, address, size)


def aligned_store(folder: Folder, address: Value, size: Value, value: Value) -> str:
    check_alignment(folder, address, folder.decide(size))
    return store(folder, address, size, value)


def check_alignment(folder: Folder, address: Value, bytes_: int) -> None:
    """Leave to the stepper what must be aligned and is not. The address is a name."""
    if bytes_ > 1:
        add(folder, "memory", f"if {address.run}&{bytes_ - 1}:raise KeyError")


def load_exclusive(folder: Folder, address: Value, size: Value) -> Value:
    """Only of a page that the TLB knows: what is no memory, and needs the time, goes to the stepper."""
    bytes_ = folder.decide(size)
    if not address.simple:
        address = folder.temporary(address, "a")
    add(folder, "memory", f"R1[{address.run}>>12]")
    return text(f"load_exclusive(CPU,{address.run},{bytes_})", 0, (1 << 8 * bytes_) - 1, "memory")


def store_exclusive(folder: Folder, address: Value, size: Value, value: Value) -> Value:
    """Only to a page that may be written at once, so that nothing is in the way when the reservation has ended."""
    bytes_ = folder.decide(size)
    if not address.simple:
        address = folder.temporary(address, "a")
    add(folder, "memory", f"W1[{address.run}>>12]")
    check_alignment(folder, address, bytes_)
    stored = masked(value, (1 << 8 * bytes_) - 1).run
    return text(f"store_exclusive(CPU,{address.run},{bytes_},{stored})", 0, 1, "memory")


def clear_exclusive(folder: Folder) -> str:
    add(folder, "line", "CPU.clear_exclusive()")
    return ""


# What a system register is as text, where `E1[1]` is the CPU at EL1 and a miss at EL0: then the stepper checks more.
DIRECT = {"SP_EL0": "E1[CPU.sp_sel].sp_el0", "DAIF": "(E1[1].daif<<6)"}
# Others that are computed from what no cell holds; all that have a function of their own need the CPU's state.
COMPUTED = {"CurrentEL", "SPSel", "DCZID_EL0", "CCSIDR_EL1"}


def stored_register(register: SystemRegister, access: str, traps: int) -> str:
    """The text of a register that is plain storage, and which EL1 may always access like that; else nothing."""
    if register.name in DIRECT:
        return DIRECT[register.name]
    if traps or register.el2_trap or register.exists or register.is_fp or access not in register.el1:
        return ""
    at_el0 = access in register.el0 and not register.el0_enabled
    return f"{'CPU' if at_el0 else 'E1[1]'}.sys['{register.name}']"


def register_of(encoding: Value) -> tuple[tuple[int, ...], SystemRegister]:
    """The register of an encoding, `Unfoldable` where there is none."""
    numbers = tuple(int(part) for part in encoding.text.split("|"))
    register = system_registers.REGISTERS.get(cast(system_registers.Encoding, numbers))
    if register is None:
        raise Unfoldable("no register")
    return numbers, register


def read_register(folder: Folder, cpu: Value, encoding: Value, rt: Value) -> Value:
    """MRS of a register that is stored: the access is checked when it runs."""
    numbers, register = register_of(encoding)
    direct = stored_register(register, "r", register.read_traps)
    if direct and (register.name in DIRECT or not register.read):
        return text(direct, 0, M64, "memory")
    if register.read is not None and register.name not in COMPUTED:
        raise Unfoldable("a register that is computed")
    return text(f"read_register(CPU,{numbers},{rt.run})", 0, M64, "memory")


def write_register(folder: Folder, cpu: Value, encoding: Value, rt: Value, value: Value) -> str:
    """MSR of a register that is plain storage, and of DAIF."""
    _, register = register_of(encoding)
    if register.name == "DAIF":
        add(folder, "memory", "E1[1]")
        return set_daif(folder, combine("&", combine(">>", value, number(6)), number(15)))
    direct = stored_register(register, "w", register.write_traps)
    plain = not register.write and not register.selects_regime and register.writable == M64
    if not direct or not plain and register.name not in DIRECT:
        raise Unfoldable("a register that is more than stored")
    add(folder, "memory", f"{direct}={value.run}")
    return ""


def check_daif_access(folder: Folder, crm: Value, op2: Value) -> str:
    add(folder, "memory", "E1[1]")
    return ""


def set_daif(folder: Folder, value: Value) -> str:
    """The block is left if an interrupt was unmasked that is pending."""
    add(folder, "memory", f"CPU.set_daif({value.run})")
    add(folder, "memory", "if CPU.attention:raise Left")
    return ""


def system_operation(folder: Folder, cpu: Value, encoding: Value, rt: Value, value: Value) -> str:
    """DC ZVA of a page that may be written at once: `Z` has those, if DC ZVA is allowed here."""
    if tuple(int(part) for part in encoding.text.split("|")) != DC_ZVA:
        raise Unfoldable("a system operation")
    page, index = bare(combine(">>", value, number(12))), f"({value.run}&{PAGE_MASK & -DC_ZVA_SIZE})"
    add(folder, "memory", f"p=Z[{page}];i={index};p[i:i+{DC_ZVA_SIZE}]=ZEROS")
    return ""


def carry(folder: Folder) -> Value:
    return text("@C@", 0, 1, "flags")


def holds(folder: Folder, cond: Value) -> Value:
    return text(f"@{folder.decide(cond)}@", 0, 1, "flags")


def flags_of(name: str) -> Callable[[Folder, Value, Value, Value], str]:
    """Flags of an operation on two operands of width `sf`."""

    def primitive(folder: Folder, a: Value, b: Value, sf: Value) -> str:
        folder.records.append(Record("flags", [a.run, b.run], f"{name}{64 if folder.decide(sf) else 32}"))
        return ""

    return primitive


def flags_of_logic(folder: Folder, result: Value, sf: Value) -> str:
    folder.records.append(Record("flags", [result.run, "0"], f"logic{64 if folder.decide(sf) else 32}"))
    return ""


def flags_of_add_carry(folder: Folder, a: Value, b: Value, carry_in: Value, sf: Value) -> str:
    texts = [f"nzcv_of_add({a.run},{b.run},{carry_in.run},{folder.decide(sf)})", "0"]
    folder.records.append(Record("flags", texts, "nzcv"))
    return ""


def set_nzcv(folder: Folder, value: Value) -> str:
    folder.records.append(Record("flags", [value.run, "0"], "nzcv"))
    return ""


def branch(folder: Folder, target: Value) -> str:
    kind = "jump" if target.kind == "text" else "branch"
    folder.records.append(Record(kind, [masked(target, M64).run]))
    return ""


def add(folder: Folder, kind: str, *texts: str) -> None:
    folder.records.append(Record(kind, list(texts)))


VALUES: dict[str, Callable[..., Value]] = {
    "get_x": get_x, "get_sp_or_x": get_sp_or_x, "base": base, "load": load, "load_pair": load_pair,
    "load_acquire": aligned_load, "load_exclusive": load_exclusive, "system_registers.read": read_register,
    "carry": carry, "holds": holds, "store_exclusive": store_exclusive,
}  # fmt: skip
EFFECTS: dict[str, Callable[..., str]] = {
    "set_x": set_x, "set_sp_or_x": set_sp_or_x, "store": store, "store_pair": store_pair,
    "store_release": aligned_store, "flags_of_add": flags_of("add"), "flags_of_sub": flags_of("sub"),
    "flags_of_logic": flags_of_logic, "flags_of_add_carry": flags_of_add_carry, "set_nzcv": set_nzcv, "branch": branch,
    "clear_exclusive": clear_exclusive, "system_registers.write": write_register, "set_daif": set_daif,
    "check_daif_access": check_daif_access, "system_operations.execute": system_operation,
}  # fmt: skip
