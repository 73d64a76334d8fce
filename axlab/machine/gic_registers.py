"""Registers of one bit (or two, or eight) for each interrupt, which distributors and redistributors share."""

from __future__ import annotations

from axlab.machine.bus import Access
from axlab.machine.gic import FIRST_SPI, SGIS, Gic
from axlab.machine.gic_state import Bank
from axlab.machine.registers import Device

WORD = 0xFFFF_FFFF


class InterruptRegisters(Device):
    """A frame over a `Gic`. `cpu` is the CPU whose SGIs and PPIs it shows, which a GICv2's access decides."""

    def __init__(self, gic: Gic, cpu: int = 0) -> None:
        super().__init__()
        self.gic = gic
        self.cpu = cpu

    def access(self, offset: int, access: Access) -> int:
        """Answer an access; a store may change what is delivered to whom."""
        value = super().access(offset, access)
        if access.is_write:
            self.gic.touch_all()
        return value

    def bank(self, first: int) -> Bank:
        """The bank that holds an interrupt of this frame."""
        return self.gic.private[self.cpu] if first < FIRST_SPI else self.gic.shared

    def word(self, index: int) -> tuple[Bank, int, int]:
        """Of the 32 interrupts of word `index`: bank, shift, and which of them are implemented (in place)."""
        bank = self.bank(32 * index)
        shift = 32 * index - bank.first
        return bank, shift, bank.implemented & WORD << shift

    def read_group(self, index: int) -> int:
        """IGROUPR: which of these are of group 1."""
        bank, shift, _ = self.word(index)
        return bank.group >> shift & WORD

    def write_group(self, index: int, value: int) -> None:
        """IGROUPR."""
        bank, shift, mask = self.word(index)
        bank.group = bank.group & ~mask | value << shift & mask

    def read_enabled(self, index: int) -> int:
        """ISENABLER and ICENABLER read the same: which are enabled."""
        bank, shift, _ = self.word(index)
        return bank.enabled >> shift & WORD

    def set_enabled(self, index: int, value: int) -> None:
        """ISENABLER: ones enable."""
        bank, shift, mask = self.word(index)
        bank.enabled |= value << shift & mask

    def clear_enabled(self, index: int, value: int) -> None:
        """ICENABLER: ones disable."""
        bank, shift, mask = self.word(index)
        bank.enabled &= ~(value << shift & mask) | bank.always_enabled

    def read_pending(self, index: int) -> int:
        """ISPENDR and ICPENDR read the same: which are pending, latched or by their line."""
        bank, shift, _ = self.word(index)
        return bank.pending >> shift & WORD

    def set_pending(self, index: int, value: int) -> None:
        """ISPENDR: ones make pending."""
        bank, shift, mask = self.word(index)
        bank.latched |= value << shift & mask & ~self.pends_otherwise(index)

    def clear_pending(self, index: int, value: int) -> None:
        """ICPENDR: ones take back what is latched; a line stays as it is."""
        bank, shift, mask = self.word(index)
        bank.latched &= ~(value << shift & mask & ~self.pends_otherwise(index))

    def pends_otherwise(self, index: int) -> int:
        """A GICv2's SGIs are made pending by SPENDSGIR and CPENDSGIR alone."""
        return (1 << SGIS) - 1 if index == 0 and self.gic.version == 2 else 0

    def read_active(self, index: int) -> int:
        """ISACTIVER and ICACTIVER read the same: which are active."""
        bank, shift, _ = self.word(index)
        return bank.active >> shift & WORD

    def set_active(self, index: int, value: int) -> None:
        """ISACTIVER: ones make active."""
        bank, shift, mask = self.word(index)
        bank.active |= value << shift & mask

    def clear_active(self, index: int, value: int) -> None:
        """ICACTIVER: ones deactivate."""
        bank, shift, mask = self.word(index)
        bank.active &= ~(value << shift & mask)

    def read_priority(self, index: int) -> int:
        """IPRIORITYR, a byte for each interrupt."""
        bank = self.bank(index)
        place = index - bank.first
        return bank.priority[place] if place < bank.count else 0

    def write_priority(self, index: int, value: int) -> None:
        """IPRIORITYR."""
        bank = self.bank(index)
        if index - bank.first < bank.count:
            bank.set_priority(index - bank.first, value)

    def read_config(self, index: int) -> int:
        """ICFGR: two bits for each interrupt, of which the upper one says that it is edge-triggered."""
        bank = self.bank(16 * index)
        edges = bank.edge >> 16 * index - bank.first & 0xFFFF
        return sum(2 << 2 * number for number in range(16) if edges >> number & 1)

    def write_config(self, index: int, value: int) -> None:
        """ICFGR. SGIs are always edge-triggered."""
        if index == 0:
            return
        bank = self.bank(16 * index)
        shift = 16 * index - bank.first
        edges = sum(1 << number for number in range(16) if value >> 2 * number & 2)
        mask = bank.implemented & 0xFFFF << shift
        bank.edge = bank.edge & ~mask | edges << shift & mask
