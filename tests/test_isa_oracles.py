"""The texts of instructions against binutils, capstone and LLVM; every difference is listed with its reason."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from isa_oracle import machine_code, normal, objdump, words_of_all

from axlab.machine.isa.assembler import assemble
from axlab.machine.isa.disassembler import disassemble
from axlab.machine.isa.system_names import ENCODINGS, OPERATIONS, OPERATIONS_ON_ALL, WRITTEN_AS
from axlab.machine.isa.table import Row, load_table

Volume = Callable[[int], int]
Needs = Callable[[str, str], str]
BASE = 1 << 40
"""Where words stand whose branches go in both directions."""

LATER_REGISTER = re.compile(r"(?:msr|mrs) .*\bs[23]_[0-7]_c\d+_c\d+_[0-7]\b")
LATER_OPERATION = re.compile(r"sys \d, c\d+, c\d+, \d")


def is_later_name(ours: str) -> bool:
    """The oracle knows the name of a system register or instruction of a later architecture than ARMv8.0."""
    return bool(LATER_REGISTER.match(ours) or LATER_OPERATION.match(ours))


def same_register_twice(row: Row, word: int) -> bool:
    """A load that is CONSTRAINED UNPREDICTABLE: its registers overlap. We decode it, as hardware may do."""
    fields = dict(zip(row.fields, row.values(word), strict=True))
    rt, rt2, rn = fields.get("rt"), fields.get("rt2"), fields.get("rn")
    return row.name.startswith(("LD", "ST")) and (rt == rt2 or rt == rn or rt2 == rn)


def excused_by_binutils(row: Row, word: int, ours: str, theirs: str) -> bool:
    """The differences from binutils 2.40, each with its reason."""
    return (
        is_later_name(ours)
        or re.match(r"orr w?sp, [wx]zr, ", ours) is not None  # SP is no target of MOVZ: it says mov, the manual ORR
        or ours == "dgh"  # binutils 2.40 has no name for HINT 6; the manual has
        or row.name == "MSR_imm"
        and ours.startswith("msr spsel")
        and "s0_0" in theirs  # it takes only #0 and #1
        or row.name.startswith("LDPSW")
        and "undefined" in theirs
        and same_register_twice(row, word)
    )


CONDITION_SYNONYMS = (("hs", "cs"), ("lo", "cc"))


def excused_by_capstone(row: Row, word: int, ours: str, theirs: str) -> bool:
    """The differences from capstone 5 (whose tables are LLVM's), each with its reason."""
    for synonym, name in CONDITION_SYNONYMS:  # the manual prefers CS and CC
        theirs = re.sub(rf"\b{synonym}\b", name, theirs)
    return bool(
        ours == theirs
        or is_later_name(ours)
        or row.name in ("MSR_reg", "MRS") and LATER_REGISTER.match(theirs)  # it cannot be written, or read
        or row.name in ("MOVN", "MOVZ", "ORR_imm") and signed_word(ours) == signed_word(theirs)  # it shows W constants
        # as if they were signed
        or row.name == "HINT" and ours in ("dgh", "clearbhb")  # later than its tables
        or row.name == "ORR_imm" and "xzr" in ours + theirs or row.name == "ORR_imm" and "wzr" in ours  # it prints
        # `mov` also for constants that MOVZ can write, where the manual says ORR
        or row.name == "BFM" and theirs.startswith("bfc ")  # its BFXIL of the zero register
        or ours == "dsb 12" and theirs == "dfb"  # ARMv8-R
        or row.name.startswith("PRFM") and theirs.startswith("prfm ,")  # it prints no number
        or row.name == "PRFUM" and theirs.startswith("prfum ,")
        or theirs == "" and same_register_twice(row, word)
        or row.name in ("SSHLL", "USHLL") and theirs.endswith(", 0")  # the manual prefers SXTL and UXTL
        or row.name == "UDF"  # not in every version
    )  # fmt: skip


def signed_word(text: str) -> str:
    """A text whose last number is taken modulo 2^32."""
    head, _, last = text.rpartition(" ")
    return f"{head} {int(last) % 2**32}" if last.isdigit() else text


def differences(
    found: list[tuple[Row, int]], theirs: list[str], excused: Callable[[Row, int, str, str], bool], step: int
) -> list[str]:
    """Where two texts differ without an excuse. Word n stands at n * step."""
    wrong = []
    for n, ((row, word), text) in enumerate(zip(found, theirs, strict=True)):
        ours, other = normal(disassemble(word, n * step)), normal(text)
        if ours != other and not excused(row, word, ours, other):
            wrong.append(f"{row.name} {word:#010x}: {ours} | {other}")
    return wrong


def test_binutils_prints_the_words_of_every_row_as_we_do(volume: Volume, needs: Needs, tmp_path: Path) -> None:
    program = needs("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu")
    found = words_of_all(volume(1000), seed=1)
    theirs = objdump(program, [word for _, word in found], tmp_path)
    assert differences(found, theirs, excused_by_binutils, step=4) == []


def test_capstone_prints_the_words_of_every_row_as_we_do(volume: Volume) -> None:
    import capstone

    engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    found = words_of_all(volume(1000), seed=2)
    theirs = []
    for _, word in found:
        text = next(engine.disasm_lite(machine_code([word]), 0), None)
        theirs.append(f"{text[2]} {text[3]}" if text else "")
    assert differences(found, theirs, excused_by_capstone, step=0) == []


def is_another_spelling(row: Row, word: int, again: int) -> bool:
    """Whether two words of one row mean the same: bits that the instruction ignores are zero in `again`."""
    if row.name.endswith("_imm") and "immr" in row.fields:
        return True  # a logical immediate: immr's bits above the element's size
    return row.name in ("DUP_general", "INS_element")  # imm5 above the size; imm4 below the size


def test_what_is_disassembled_can_be_assembled_to_the_same_word(volume: Volume) -> None:
    found = words_of_all(volume(300), seed=3)
    texts = [disassemble(word, BASE + 4 * n) for n, (_, word) in enumerate(found)]
    code = assemble("\n".join(texts), BASE).code
    for n, (row, word) in enumerate(found):
        again = int.from_bytes(code[4 * n : 4 * n + 4], "little")
        if again != word:
            assert is_another_spelling(row, word, again), f"{row.name} {word:#010x} {again:#010x} {texts[n]}"
            assert disassemble(again, BASE + 4 * n) == texts[n]


def test_binutils_assembles_our_texts_to_the_same_words(volume: Volume, needs: Needs, tmp_path: Path) -> None:
    program = needs("aarch64-linux-gnu-as", "binutils-aarch64-linux-gnu")
    copy = needs("aarch64-linux-gnu-objcopy", "binutils-aarch64-linux-gnu")
    found = [(row, word) for row, word in words_of_all(volume(1000), seed=4) if row.name not in ("ADRP", "MSR_imm")]
    texts = [relative(disassemble(word, BASE + 4 * n), BASE + 4 * n) for n, (_, word) in enumerate(found)]
    source, result, image = tmp_path / "a.s", tmp_path / "a.o", tmp_path / "a.bin"
    source.write_text("\n".join(texts) + "\n", encoding="utf-8")
    options = ["-march=armv8.2-a+pauth", "-o", str(result)]
    done = subprocess.run([program, *options, str(source)], capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr, done.stderr[:2000]
    subprocess.run([copy, "-O", "binary", str(result), str(image)], check=True)
    code = image.read_bytes()
    for n, (row, word) in enumerate(found):
        again = int.from_bytes(code[4 * n : 4 * n + 4], "little")
        assert again == word or is_another_spelling(row, word, again), f"{word:#010x} {again:#010x} {texts[n]}"


def relative(text: str, address: int) -> str:
    """A target as a distance from here."""
    return re.sub(r"(?<!#)\b0x[0-9a-f]{10,}$", lambda match: f".{int(match.group(), 16) - address:+d}", text)


# What LLVM allocates and ARMv8.0, or this machine, does not.
NOT_OURS = re.compile(
    r"f|[su]cvtf|s?q|[su]q|u?sq|[su]r|[su]h|[su](ab|add|sub|ml|ad)|ml|mul|r?(add|sub)h|rshrn|pmul|sm|um|shll|r?shrn|uabal|bfcvt|"
    r"sri|sli|ur|us|su|ur|aes|sha|msr|mrs|movi|mvni|orr|bic|dc|at|tlbi|sys|cfinv|xaflag|axflag"
)


def test_llvm_agrees_on_what_is_allocated(volume: Volume, needs: Needs) -> None:
    """Words that differ from a row in one or two bits, and random ones: LLVM has ARMv8.0 alone switched on."""
    program = needs("llvm-mc", "llvm")
    source = random.Random(5)
    rows = list(load_table().rows.values())
    words = [source.getrandbits(32) for _ in range(volume(100_000))]
    for _ in range(volume(200_000)):
        row = source.choice(rows)
        word = source.getrandbits(32) & ~row.mask | row.value
        words.append(word ^ 1 << source.randrange(32) ^ (1 << source.randrange(32) if source.random() < 0.5 else 0))
    lines = "\n".join(" ".join(f"{byte:#04x}" for byte in word.to_bytes(4, "little")) for word in words)
    command = [program, "--disassemble", "--arch=aarch64", "--mattr=+crc,+lse,+neon,+el3"]
    done = subprocess.run(command, input=lines + "\n", capture_output=True, text=True, check=False)
    invalid = {int(n) - 1 for n in re.findall(r"<stdin>:(\d+):\d+: warning: invalid", done.stderr)}
    texts = iter(line.strip() for line in done.stdout.splitlines() if line.startswith("\t") and ".text" not in line)
    table = load_table()
    wrong = []
    for n, word in enumerate(words):
        theirs = "" if n in invalid else next(texts)
        found = table.decode(word)
        if found and not theirs and found[0].name not in ("SMC", "DCPS3"):  # LLVM 14 has these behind a feature
            wrong.append(f"{word:#010x} is {found[0].name}")
        elif theirs and not found and not NOT_OURS.match(theirs):
            wrong.append(f"{word:#010x} is {theirs}")
    assert wrong == []


def test_binutils_knows_the_system_registers_by_the_same_encodings(needs: Needs, tmp_path: Path) -> None:
    program = needs("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu")
    found = [(name, encoding) for name, encoding in ENCODINGS.items() if name not in WRITTEN_AS.values()]
    words = [
        0xD5300000 | op0 - 2 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
        for _, (op0, op1, crn, crm, op2) in found
    ]
    names = [text.split()[-1] for text in objdump(program, words, tmp_path)]
    unknown = {"teecr32_el1", "teehbr32_el1"}  # removed from the architecture, and from some binutils
    assert [name for name, _ in found] == [
        mine if mine.lower() == theirs or mine.lower() in unknown else theirs
        for (mine, _), theirs in zip(found, names, strict=True)
    ]


def test_binutils_assembles_the_aliases_of_sys_to_the_same_words(needs: Needs, tmp_path: Path) -> None:
    program = needs("aarch64-linux-gnu-objdump", "binutils-aarch64-linux-gnu")
    texts = [f"{name}, x3" for name in OPERATIONS] + list(OPERATIONS_ON_ALL)
    code = assemble("\n".join(texts)).code
    words = [int.from_bytes(code[n : n + 4], "little") for n in range(0, len(code), 4)]
    assert [normal(text) for text in objdump(program, words, tmp_path)] == texts
