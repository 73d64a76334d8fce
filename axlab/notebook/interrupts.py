"""The interrupts of a VM as a picture: the list registers of each vCPU, and the state of its interrupt controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from axlab.errors import AxError
from axlab.machine.gic import FIRST_SPI, SGIS
from axlab.machine.gic_list_registers import LR_ACTIVE, LR_HW, LR_PENDING, group_of, interrupt_of, priority_of
from axlab.machine.gic_priority import IDLE
from axlab.notebook import drawing as d
from axlab.notebook.picture import Picture
from axlab.notebook.scene import Answer, Control, Message, Scene, unknown, word
from axlab.shell.commands_machine import PPI_NAMES

WIDTH, LEFT, ROW = 880, 16, 20
STATES = {"pending": d.AMBER, "active": d.BLUE, "active and pending": d.PURPLE}
COLUMNS = (("INTID", 58), ("NAME", 70), ("FOR", 214), ("ENABLED", 318), ("PENDING", 388), ("ACTIVE", 458),
           ("PRIORITY", 528), ("GROUP", 652), ("WHY IT WAITS", 712))  # fmt: skip
IRQ_MASKED = 2  # PSTATE.I, in the order DAIF


@dataclass
class Interrupts(Scene):
    """The interrupts of the VM with this id."""

    vm: int

    def data(self) -> dict[str, Any]:
        """`vcpus`: priority mask, running priority, groups, signals and list registers of each; `rows`: every
        interrupt that is enabled, pending or active, as `row` describes it. Without the VM, only its `title`.
        """
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None:
            return {"title": f"VM[{self.vm}]", "note": "The VM does not exist any more.", "vcpus": [], "rows": []}
        names = PPI_NAMES | {claim.intid: claim.name for claim in vm.bus.claims if claim.intid}
        names |= {claim.intid: claim.name for claim in vm.devices.passed if claim.intid}
        gic = vm.gic.gic
        found = [
            row(vm, bank, bit, None if bank is gic.shared else cpu, names)
            for cpu, bank in [*enumerate(gic.private), (0, gic.shared)]
            for bit in range(bank.count)
            if known(bank) >> bit & 1
        ]
        version = f"GICv{gic.version}"
        groups = ", ".join(f"group {group} {_on(gic.enabled_groups >> group & 1)}" for group in (0, 1))
        note = f"{version}, distributor: {groups}" if vm.devices.delivers else "It takes no interrupts (no_irq)."
        return {
            "title": f"{vm.label} {vm.name}",
            "note": note,
            "vcpus": [interface(vcpu) for vcpu in vm.vcpus],
            "rows": found,
        }

    def draw(self, data: dict[str, Any]) -> Picture:
        return draw(data)

    def controls(self, data: dict[str, Any]) -> list[Control]:
        hint = "A number (or VCPU.INTID for a private one); Enter makes it pending"
        return [Control("field", "Inject INTID", {"do": "inject"}, hint=hint)] if data["vcpus"] else []

    def receive(self, message: Message) -> Answer:
        """`do` inject: make an interrupt pending. Raises AxError."""
        if message.get("do") != "inject":
            raise unknown(message)
        vm = self.lab.hypervisor.vms.get(self.vm)
        if vm is None:
            raise AxError(f"VM[{self.vm}] does not exist any more")
        text = word(message, "value").strip()
        vcpu, _, intid = text.rpartition(".")
        if not intid.isdecimal() or not (vcpu or "0").isdecimal() or len(text) > 9:
            raise AxError(f"{text!r} is no interrupt; write its INTID, such as 33, or VCPU.INTID, such as 1.27")
        self.lab.hypervisor.inject(vm, int(vcpu or 0), int(intid))
        where = f" for vCPU {int(vcpu or 0)}" if int(intid) < FIRST_SPI else ""
        return Answer(f"✓ interrupt {int(intid)} is pending{where}", moved=True)


def interrupts(lab: Any, vm: Any) -> Picture:
    """The interrupts of a VM, as they are now."""
    return Interrupts(lab, vm.id).picture()


def known(bank: Any) -> int:
    """The interrupts of a bank that are worth a row, as bits: pending, active, or enabled by the guest."""
    found: int = (bank.enabled & ~bank.always_enabled | bank.pending | bank.active) & bank.implemented
    return found


def row(vm: Any, bank: Any, bit: int, cpu: int | None, names: dict[int, str]) -> dict[str, Any]:
    """One interrupt: `cpu` is None for a shared one, which goes to the vCPUs in `to`; `why` it is not delivered."""
    intid = bank.first + bit
    gic = vm.gic.gic
    to = [cpu] if cpu is not None else [n for n, routed in enumerate(gic.routed) if routed >> bit & 1]
    found = {
        "intid": intid,
        "name": names.get(intid, f"SGI {intid}" if intid < SGIS else ""),
        "shared": cpu is None,
        "to": to,
        "enabled": bool(bank.enabled >> bit & 1),
        "pending": bool(bank.pending >> bit & 1),
        "active": bool(bank.active >> bit & 1),
        "priority": bank.priority[bit],
        "group": bank.group >> bit & 1,
        "edge": bool(bank.edge >> bit & 1),
    }
    return found | {"why": why_not(vm, found)}


def why_not(vm: Any, found: dict[str, Any]) -> str:
    """Why a pending interrupt is not signalled to the guest; nothing where it is, or is not pending."""
    if not found["pending"] or found["active"]:
        return "active already" if found["pending"] else ""
    if not found["enabled"]:
        return "not enabled"
    if not vm.gic.gic.enabled_groups >> found["group"] & 1:
        return f"group {found['group']} off"
    if not found["to"]:
        return "routed nowhere"
    cpu = vm.vcpus[found["to"][0]].cpu
    priorities = cpu.gic.priorities
    if not priorities.enabled[found["group"]]:
        return "group off at the CPU"
    if found["priority"] >= priorities.mask:
        return f"masked by {priorities.mask:#04x}"
    if found["priority"] >= priorities.running():
        return "lower than what runs"
    return "PSTATE.I masks it" if cpu.daif & IRQ_MASKED else ""


def interface(vcpu: Any) -> dict[str, Any]:
    """A vCPU's interface: what it masks and runs, its signals, and its list registers (None: empty)."""
    cpu, priorities = vcpu.cpu, vcpu.cpu.gic.priorities
    return {
        "vcpu": vcpu.id,
        "mask": priorities.mask,
        "running": priorities.running(),
        "groups": [bool(enabled) for enabled in priorities.enabled],
        "irq": cpu.gic.irq_pending(),
        "fiq": cpu.gic.fiq_pending(),
        "irq_masked": bool(cpu.daif & IRQ_MASKED),
        "lrs": [list_register(lr) for lr in cpu.gic.lrs],
    }


def list_register(lr: int) -> dict[str, Any] | None:
    """What a list register holds; None where it is empty."""
    words = {LR_PENDING: "pending", LR_ACTIVE: "active", LR_PENDING | LR_ACTIVE: "active and pending"}
    state = words.get(lr & (LR_PENDING | LR_ACTIVE))
    if state is None:
        return None
    hardware = bool(lr & LR_HW)
    return {
        "intid": interrupt_of(lr), "priority": priority_of(lr), "group": group_of(lr), "state": state, "hw": hardware
    }  # fmt: skip


def _on(value: Any) -> str:
    return "on" if value else "off"


def draw(data: dict[str, Any]) -> Picture:
    """The picture of interrupts' data."""
    title = f"Interrupts of {data['title']}"
    parts = [
        d.words(LEFT, 26, d.fitted(title, WIDTH - 2 * LEFT, 14), size=14, bold=True),
        d.words(LEFT, 46, data["note"], size=11),
    ]
    y = 74.0
    for one in data["vcpus"]:
        parts += _interface(one, y)
        y += 84
    if data["vcpus"]:
        parts += [
            d.words(
                LEFT,
                y,
                "Interrupts that are enabled, pending or active; the lowest priority value comes first",
                size=11,
                bold=True,
            ),
            *_rows(data["rows"], y + 22),
            d.legend(LEFT, y + 50 + ROW * max(1, len(data["rows"])), [(tone, name) for name, tone in STATES.items()]),
        ]
        y += 66 + ROW * max(1, len(data["rows"]))
    return Picture(d.document(WIDTH, y, title, parts), _alt(title, data), text(title, data))


def _alt(title: str, data: dict[str, Any]) -> str:
    listed = {f"vCPU {one['vcpu']}": [lr for lr in one["lrs"] if lr] for one in data["vcpus"]}
    said = [f"{name} {', '.join(_said(lr) for lr in lrs) or 'none'}" for name, lrs in listed.items()]
    pending = ", ".join(str(one["intid"]) for one in data["rows"] if one["pending"]) or "none"
    return f"{title}. {data['note'].rstrip('.')}. In list registers: {'; '.join(said) or 'none'}. Pending: {pending}."


def _said(lr: dict[str, Any]) -> str:
    return f"{lr['intid']} {lr['state']}"


def text(title: str, data: dict[str, Any]) -> str:
    """The same as lines."""
    lines = [title, data["note"]]
    for one in data["vcpus"]:
        lines.append(f"  {_words(one)}")
        lines += [
            f"    LR{number}: {lr['intid']} {lr['state']}, priority {lr['priority']:#04x}{', HW' * lr['hw']}"
            for number, lr in enumerate(one["lrs"])
            if lr
        ]
    for one in data["rows"]:
        states = [name for name in ("enabled", "pending", "active") if one[name]]
        why = f" ({one['why']})" if one["why"] else ""
        lines.append(
            f"  {one['intid']:>4} {one['name']:<18} {_for(one):<16} {'+'.join(states):<24} priority "
            f"{one['priority']:#04x}{why}"
        )
    return "\n".join(lines)


def _for(one: dict[str, Any]) -> str:
    where = ", ".join(str(cpu) for cpu in one["to"]) or "none"
    return f"{'shared, to ' if one['shared'] else 'vCPU '}{where}"


def _words(one: dict[str, Any]) -> str:
    """`vCPU 0: priority mask 0xf0, running idle, groups 0 off, 1 on, IRQ signalled, masked by PSTATE.I`."""
    running = "idle" if one["running"] == IDLE else f"{one['running']:#04x}"
    groups = ", ".join(f"{group} {_on(enabled)}" for group, enabled in enumerate(one["groups"]))
    signals = [name for name in ("irq", "fiq") if one[name]]
    said = f"vCPU {one['vcpu']}: priority mask {one['mask']:#04x}, running {running}, groups {groups}"
    said += f", {' and '.join(signals).upper()} signalled" if signals else ", nothing signalled"
    return said + (", PSTATE.I masks IRQs" if one["irq_masked"] else "")


def _interface(one: dict[str, Any], y: float) -> list[str]:
    """A vCPU: its interface in words, and a box for each list register."""
    parts = [d.words(LEFT, y, _words(one), size=11, bold=True)]
    wide = (WIDTH - 2 * LEFT + 4) / len(one["lrs"])
    for number, lr in enumerate(one["lrs"]):
        x = LEFT + wide * number
        if lr is None:
            parts.append(d.box(x, y + 10, wide - 4, 32, stroke=d.INK, dashed=True, radius=3))
        else:
            hint = f"INTID {lr['intid']} {lr['state']}, priority {lr['priority']:#04x}, group {lr['group']}"
            hint += ", HW: ending it ends the physical interrupt" * lr["hw"]
            parts.append(d.box(x, y + 10, wide - 4, 32, STATES[lr["state"]], radius=3, hint=hint))
            middle = x + (wide - 4) / 2
            parts.append(d.words(middle, y + 24, str(lr["intid"]), size=11, anchor="middle", fill=d.PAPER, bold=True))
            detail = f"{lr['priority']:#04x}{' HW' * lr['hw']}"
            parts.append(d.words(middle, y + 37, detail, size=8.5, anchor="middle", fill=d.PAPER))
        parts.append(d.words(x + (wide - 4) / 2, y + 54, f"LR{number}", size=8.5, anchor="middle"))
    return parts


def _rows(rows: list[dict[str, Any]], y: float) -> list[str]:
    parts = [
        d.words(x, y, name, size=10, bold=True, anchor="end" if name == "INTID" else "start") for name, x in COLUMNS
    ]
    parts.append(d.rule(LEFT, y + 6, WIDTH - LEFT, y + 6, opacity=0.5))
    if not rows:
        parts.append(d.words(COLUMNS[1][1], y + ROW, "none", size=11, italic=True))
    x = dict(COLUMNS)
    for one in rows:
        y += ROW
        parts += [
            d.words(x["INTID"], y, str(one["intid"]), size=11, mono=True, anchor="end", bold=True),
            d.words(x["NAME"], y, d.fitted(one["name"], 138, 11), size=11),
            d.words(x["FOR"], y, d.fitted(_for(one), 98, 11), size=11),
            *_mark(x["ENABLED"], y, one["enabled"], d.GREEN),
            *_mark(x["PENDING"], y, one["pending"], STATES["pending"]),
            *_mark(x["ACTIVE"], y, one["active"], STATES["active"]),
            d.words(x["PRIORITY"], y, f"{one['priority']:#04x}", size=11, mono=True),
            d.box(x["PRIORITY"] + 40, y - 8, 70, 7, stroke=d.INK, line=0.7, radius=1),
            d.box(x["PRIORITY"] + 40, y - 8, 70 * (256 - one["priority"]) / 256, 7, d.SLATE, radius=1),
            d.words(x["GROUP"], y, str(one["group"]), size=11, mono=True),
            d.words(x["WHY IT WAITS"], y, d.fitted(one["why"], WIDTH - LEFT - x["WHY IT WAITS"], 11), size=11),
        ]
    return parts


def _mark(x: float, y: float, is_set: bool, colour: str) -> list[str]:
    """A filled dot and `yes`, or an empty one."""
    fill = colour if is_set else "none"
    dot = f"<circle cx='{x + 6:g}' cy='{y - 4:g}' r='5' fill='{fill}' stroke='{colour if is_set else d.INK}'/>"
    return [dot, d.words(x + 16, y, "yes", size=11)] if is_set else [dot]
