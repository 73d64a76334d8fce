"""Views of translated pages: how a load, a store or an instruction fetch finds its memory at once.

A page that may be accessed directly has a memoryview of its 4096 bytes for every access size, so that an
access is two look-ups: `readers[size][address >> 12][INDEX[size][address & 4095]]`. What is not so simple
raises: KeyError is a TLB miss, TypeError a misaligned address (its index is None), IndexError a pair that
leaves the page. Then the functions of `data_access` do it the long way.
"""

from __future__ import annotations

from typing import Any, Literal

from axlab.machine.mmu import Refusal, Translation

PAGE_MASK = 0xFFF

PAGE_BITS = 12
# The last page of the address space has no views: what lies behind an address with a view is an address, too.
LAST_PAGE = (1 << 52) - 1
HIGHEST_VIEWED = (LAST_PAGE << PAGE_BITS) - 1
MAX_REFUSED = 256  # pages: no board has so many devices
PAGE_NUMBER = (1 << 44) - 1  # bits 55 to 12 of an address

# Sizes of accesses in bytes that one element of a view holds, and its format.
FORMATS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def indices(size: int) -> list[int | None]:
    """For every offset into a page, which element of `size` bytes begins there, or None."""
    return [None if size == 0 or offset % size else offset // size for offset in range(PAGE_MASK + 1)]


# By access size. 16 bytes (a Q register) is no format of memoryview: those always go the long way.
INDEX = tuple(indices(size if size in FORMATS else 0) for size in range(17))
WORD_INDEX = INDEX[4]

Views = dict[int, memoryview]


class Tlb:
    """The translations of one regime: one EL, with one setting of the registers that control translation.

    `readers` and `writers` are by access size, then by virtual page; `code` is by virtual page, and so are
    `read_bytes` and `write_bytes`: the pages where an access need not be aligned.
    `written` finds the virtual pages in `writers` by physical page. `translations` keeps what the MMU
    said, by (virtual page, access, EL): also of devices, and of pages that have no view. `targets` are the
    translated blocks by virtual address. `refused` is where stage 2 refused, by the keys of `translations`; `blocks`
    are the keys of both by span and number of their blocks.
    """

    __slots__ = (
        "readers",
        "writers",
        "read_bytes",
        "write_bytes",
        "code",
        "written",
        "translations",
        "refused",
        "targets",
        "blocks",
    )

    def __init__(self) -> None:
        self.readers: tuple[Views, ...] = tuple({} for _ in range(17))
        self.writers: tuple[Views, ...] = tuple({} for _ in range(17))
        self.read_bytes: dict[int, bytearray] = {}
        self.write_bytes: dict[int, bytearray] = {}
        self.code: Views = {}
        self.written: dict[int, list[int]] = {}
        self.translations: dict[tuple[int, str, int], Translation] = {}
        self.refused: dict[tuple[int, str, int], Refusal] = {}
        self.targets: dict[int, Any] = {}
        self.blocks: dict[int, dict[int, set[tuple[int, str, int]]]] = {}

    def add_reader(self, page: int, memory: bytearray, at_any_alignment: bool) -> None:
        """Let loads of virtual page `page` read `memory`."""
        if page == LAST_PAGE:
            return
        for size, code in FORMATS.items():
            self.readers[size][page] = memoryview(memory).cast(code)
        if at_any_alignment:
            self.read_bytes[page] = memory

    def add_writer(self, page: int, frame: int, memory: bytearray, at_any_alignment: bool) -> None:
        """Let stores to virtual page `page` write `memory`, the physical page `frame`."""
        if page == LAST_PAGE:
            return
        self.written.setdefault(frame, []).append(page)
        for size, code in FORMATS.items():
            self.writers[size][page] = memoryview(memory).cast(code)
        if at_any_alignment:
            self.write_bytes[page] = memory

    def drop_writers(self, frame: int) -> None:
        """Send stores to the physical page `frame` the long way from now on."""
        for page in self.written.pop(frame, ()):
            self.write_bytes.pop(page, None)
            for size in FORMATS:
                self.writers[size].pop(page, None)

    def drop_all_writers(self) -> None:
        """Send the next store to every page the long way."""
        self.written.clear()
        self.write_bytes.clear()
        for views in self.writers:
            views.clear()

    def add_code(self, page: int, memory: bytearray) -> None:
        """Let instructions be fetched from `memory`."""
        self.code[page] = memoryview(memory).cast("I")

    def add_translation(self, page: int, access: str, el: int, found: Translation) -> None:
        """Keep what the MMU said of virtual page `page`; whoever adds a view of the page has asked this before."""
        self.translations[page, access, el] = found
        self._add_block(page, access, el, found.span)

    def add_refusal(self, page: int, access: str, el: int, refusal: Refusal, span: int) -> None:
        """Keep that stage 2 refused virtual page `page`, which lies in a block of `span` bits in stage 1.

        Only so many: a guest that looks for devices everywhere must not fill the memory.
        """
        if len(self.refused) < MAX_REFUSED:
            self.refused[page, access, el] = refusal
            self._add_block(page, access, el, span)

    def _add_block(self, page: int, access: str, el: int, span: int) -> None:
        block = (page & PAGE_NUMBER) >> span - PAGE_BITS
        self.blocks.setdefault(span, {}).setdefault(block, set()).add((page, access, el))

    def drop_page(self, page: int) -> bool:
        """Forget the translations of virtual page `page`, and of all that is in one block of stage 1 with it.

        Tags in the top byte of an address do not matter: `page` is bits 55 to 12. Whether there was code.
        """
        code = False
        for span, blocks in self.blocks.items():
            for key in blocks.pop(page >> span - PAGE_BITS, ()):
                self.refused.pop(key, None)
                if self.translations.pop(key, None) is None:
                    continue
                for views in (self.writers if key[1] == "w" else self.readers)[1:9]:
                    views.pop(key[0], None)
                (self.write_bytes if key[1] == "w" else self.read_bytes).pop(key[0], None)
                if self.code.pop(key[0], None) is not None:
                    self.targets.clear()
                    code = True
        return code
