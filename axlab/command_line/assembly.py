"""`axlab asm | disasm`: text to instructions, and back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from axlab.command_line.words import address, read_binary, read_text
from axlab.errors import AxError
from axlab.shell.statuses import DONE


def declare_asm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FILE", help="AArch64 assembly; - is standard input")
    parser.add_argument("-o", dest="output", metavar="OUT", required=True, help="the flat binary; - is standard output")
    parser.add_argument("--origin", default="0", metavar="ADDRESS", help="address of the first byte (default 0)")


def run_asm(arguments: argparse.Namespace) -> int:
    from axlab.machine.isa.assembler import assemble

    name = "<stdin>" if arguments.source == "-" else arguments.source
    code = bytes(assemble(read_text(arguments.source), origin=address(arguments.origin), name=name).code)
    if arguments.output == "-":
        sys.stdout.buffer.write(code)
    else:
        try:
            Path(arguments.output).write_bytes(code)
        except OSError as error:
            raise AxError(f"{arguments.output}: {(error.strerror or str(error)).lower()}") from None
    return DONE


def declare_disasm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help="a flat binary; - is standard input")
    parser.add_argument("--hex", nargs="+", metavar="WORD", help="instruction words; - reads them from standard input")
    parser.add_argument("--origin", default="0", metavar="ADDRESS", help="address of the first byte (default 0)")


def run_disasm(arguments: argparse.Namespace) -> int:
    """A file as a listing; words as one line of text for each, as if it stood at address 0."""
    from axlab.machine.isa.disassembler import disassemble_bytes, disassemble_words

    if (arguments.file is None) == (arguments.hex is None):
        raise AxError("name one file, or give words with --hex", usage="Usage: axlab disasm FILE | --hex WORD...")
    if arguments.hex is not None:
        piped = arguments.hex == ["-"]
        texts = disassemble_words(sys.stdin if piped else arguments.hex, "<stdin>" if piped else "")
        sys.stdout.writelines(f"{text}\n" for text in texts)
        return DONE
    for place, word, text in disassemble_bytes(read_binary(arguments.file), address(arguments.origin)):
        print(f"{place:#010x}: {word:08x}  {text}")
    return DONE
