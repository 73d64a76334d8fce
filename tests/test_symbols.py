"""Symbols: the names of a guest's code, from ELF files, the assembler, System.map, and by command."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell_labs import said

from axlab.errors import AxError
from axlab.lab import Lab
from axlab.vmm.symbols import Symbol, Symbols, labels, parse_symbols, symbols_of

MAP = b"""\
0000000000000000 A _kernel_flags_le_lo32
ffff800080000000 T _text
ffff800080010000 t bcm2835_handle_irq
ffff800080010000 T _stext
ffff800080010100 D jiffies
                 U printk
ffff800080010200 t $x
ffff800080010300 t helper\t[module]
"""


def test_a_symbol_contains_what_its_size_says() -> None:
    symbols = symbols_of([Symbol("main", 0x1000, 0x20), Symbol("late", 0x2000, 4)])
    assert [symbols.name(at) for at in (0xFFF, 0x1000, 0x101C, 0x1020, 0x2000)] == ["", "main", "main+0x1c", "", "late"]
    assert symbols.at(0x1010) == Symbol("main", 0x1000, 0x20)


def test_a_symbol_without_a_size_reaches_to_the_next_one_and_the_last_one_to_the_end_of_its_page() -> None:
    symbols = labels({"first": 0x1000, "second": 0x9000, ".Llocal": 0x1004})
    assert symbols.name(0x8FFC) == "first+0x7ffc"
    assert (symbols.name(0x9FFC), symbols.name(0xA000)) == ("second+0xffc", "")


def test_of_several_names_for_an_address_the_longest_then_the_first_is_shown_and_each_is_found() -> None:
    symbols = symbols_of([Symbol("label", 0x1000), Symbol("main", 0x1000, 16), Symbol("alias", 0x1000, 16)])
    assert symbols.name(0x1004) == "main+0x4"
    assert [symbols.address_of(name) for name in ("label", "main", "alias", "nobody")] == [0x1000, 0x1000, 0x1000, None]


def test_nobody_is_at_an_address_without_symbols() -> None:
    assert Symbols().at(0x1000) is None
    assert Symbols().name(0x1000) == ""


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 30)), max_size=20), st.integers(0, 250))
def test_at_finds_what_a_search_through_all_finds(rows: list[tuple[int, int]], address: int) -> None:
    symbols = symbols_of(Symbol(f"s{n}", start, size) for n, (start, size) in enumerate(rows))
    before = [one for one in symbols if one.address <= address]
    nearest = next((one for one in before if one.address == before[-1].address), None)
    inside = nearest is not None and address < nearest.address + nearest.size
    assert symbols.at(address) == (nearest if inside else None)
    for one, (_, size) in zip(symbols, sorted(rows, key=lambda row: (row[0], -row[1])), strict=True):
        ends = [other.address for other in symbols if other.address > one.address]
        assert one.size == (size or min(ends, default=4096) - one.address)


def test_a_system_map_has_code_and_data_but_no_plain_numbers_or_mapping_symbols() -> None:
    symbols = parse_symbols(MAP, "System.map")
    assert list(symbols.names) == ["_text", "bcm2835_handle_irq", "_stext", "jiffies", "helper"]
    assert symbols.name(0xFFFF_8000_8001_0010) == "bcm2835_handle_irq+0x10"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "names no symbol"),
        (b"0000 A nothing\n", "names no symbol"),
        (MAP + b"# end\n", "line 9 is no symbol: '# end'; an ELF file is wanted, or a list of lines such as "
                           "'ffff800080010000 T _text' (System.map, nm)"),
        (b"\x7fELF", "is an ELF file that is cut off: 4 bytes, less than its header"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_symbols_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(AxError) as raised:
        parse_symbols(data, "x.map")
    assert str(raised.value) == f"x.map: {message}"


@given(st.binary(max_size=200).map(lambda data: MAP[:80] + data))
def test_garbage_is_refused_or_read_and_never_breaks(data: bytes) -> None:
    try:
        parse_symbols(data, "x.map")
    except AxError:
        pass


def linked(folder: Path, needs: Callable[[str, str], str]) -> Path:
    """An ELF file with two functions of known sizes."""
    source = folder / "guest.S"
    source.write_text(
        ".global _start\n.type _start, %function\n_start: nop\n nop\n.size _start, 8\n"
        ".type second, %function\nsecond: b .\n.size second, 4\n"
    )
    tools = [needs(f"aarch64-linux-gnu-{tool}", "binutils-aarch64-linux-gnu") for tool in ("as", "ld")]
    subprocess.run([tools[0], source, "-o", folder / "guest.o"], check=True)
    subprocess.run([tools[1], "-Ttext=0x40080000", folder / "guest.o", "-o", folder / "guest.elf"], check=True)
    return folder / "guest.elf"


def test_an_elf_file_and_what_nm_prints_of_it_name_the_same(tmp_path: Path, needs: Callable[[str, str], str]) -> None:
    file = linked(tmp_path, needs)
    nm = subprocess.run([needs("aarch64-linux-gnu-nm", "binutils-aarch64-linux-gnu"), file],
                        check=True, capture_output=True)  # fmt: skip
    ours, printed = parse_symbols(file.read_bytes(), "guest.elf"), parse_symbols(nm.stdout, "nm")
    assert ours.at(0x4008_0004) == Symbol("_start", 0x4008_0000, 8)
    assert set(ours.names) == set(printed.names)
    assert all(ours.address_of(name) == printed.address_of(name) for name in ours.names)


def test_a_vm_has_the_symbols_of_its_elf_file(tmp_path: Path, needs: Callable[[str, str], str]) -> None:
    lab = Lab(folder=tmp_path)
    assert lab.create(linked(tmp_path, needs)).symbols.name(0x4008_0008) == "second"


def test_the_demo_guest_has_the_labels_of_its_source_where_its_code_is_and_a_copy_has_them_too() -> None:
    lab = Lab()
    lab.create("demo")
    lab.shell("vm start 0")
    lab.shell("vm restart 0")
    vm = copy.deepcopy(lab).vm(0)
    assert vm.symbols.name(vm.entry) == "_start"
    assert vm.symbols.names == lab.vm(0).symbols.names


def test_symbols_are_added_by_command_as_far_above_as_the_code_runs(tmp_path: Path) -> None:
    (tmp_path / "System.map").write_bytes(MAP)
    lab = Lab(folder=tmp_path)
    lab.create("demo")
    assert said(lab.shell("vm symbols 0 System.map --offset 0x1000")) == [
        "✓ 5 symbols added to VM[0]",
        f"{len(lab.vm(0).symbols)} symbols of VM[0]",
    ]
    assert lab.vm(0).symbols.address_of("jiffies") == 0xFFFF_8000_8001_1100
    assert lab.vm(0).symbols.address_of("_start") == lab.vm(0).entry
    assert said(lab.shell("vm symbols 0 --find jiff"))[2] == "0xffff800080011100 512  jiffies"


def test_a_file_that_is_not_there_or_no_list_of_symbols_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    lab = Lab(folder=tmp_path)
    lab.create("demo")
    assert said(lab.shell("vm symbols 0 nix.map")) == ["✗ nix.map: no such file"]
    assert said(lab.shell("vm symbols 0 notes.txt")) == [
        "✗ notes.txt: line 1 is no symbol: 'hello'; an ELF file is wanted, or a list of lines such as "
        "'ffff800080010000 T _text' (System.map, nm)"
    ]
