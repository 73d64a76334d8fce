"""QEMU's own system tests for AArch64 run in a lab: they use semihosting, MMU, exceptions and every access size.

Their sources are in Debian's source package of QEMU. They are fetched by apt into a folder of the user's
temporary one, and stay there; apt runs with folders of its own, so that nothing of the system changes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from axlab.cli import main

pytestmark = pytest.mark.slow

Needs = Callable[[str, str], str]
Run = Callable[..., tuple[int, str, str]]
CACHE = Path(tempfile.gettempdir()) / f"axlab-tests-{os.getuid() if hasattr(os, 'getuid') else 'user'}" / "qemu"
WANTED = re.compile(r"tests/tcg/(aarch64/system|minilib|multiarch/system)/[^/]+\.([chS]|ld)$")
"""In the package tests/tcg/: start-up code and tests, a small printf, and tests for every architecture."""

DEBIAN_LISTS = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d/debian.sources"))

CONFIG = """
[base]
id = 1
name = "{name}"
vm_type = 1
cpu_num = 1
[kernel]
kernel_path = "{name}"
memory_regions = [[0x4000_0000, 0x800_0000, 0x7, 0]]
[devices]
interrupt_mode = "emulated"
passthrough_devices = [["/"]]
[axlab]
semihosting = {semihosting}
"""


def fetch() -> None:
    """Put the test sources of Debian's source package qemu into CACHE. Raises where apt cannot."""
    with tempfile.TemporaryDirectory(prefix="axlab-qemu-") as name:
        scratch = Path(name)
        for folder in ("state/lists/partial", "cache/archives/partial", "source"):
            (scratch / folder).mkdir(parents=True)
        parts = scratch / "parts"
        parts.mkdir()
        for found in DEBIAN_LISTS:
            sources_too(found, parts / found.name)
        options = [
            f"-oDir::State={scratch}/state", f"-oDir::Cache={scratch}/cache", f"-oDir::Etc::sourceparts={parts}",
            "-oDir::Etc::sourcelist=/dev/null", "-oAPT::Sandbox::User=root",
        ]  # fmt: skip
        for command in (["update"], ["source", "--download-only", "qemu"]):
            subprocess.run(["apt-get", "-q", *options, *command], cwd=scratch / "source", check=True, timeout=300)
        extract(next((scratch / "source").glob("qemu_*.orig.tar.*")))


def sources_too(found: Path, wanted: Path) -> None:
    """The system's list of packages, which also lists their sources."""
    if found.is_file():
        text = found.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^Types:.*$", "Types: deb-src", text)
        wanted.write_text(re.sub(r"(?m)^deb ", "deb-src ", text), encoding="utf-8")


def extract(package: Path) -> None:
    """The files wanted, by their names alone: they all differ."""
    partial = CACHE.with_name(f"{CACHE.name}.{os.getpid()}")
    partial.mkdir(parents=True, exist_ok=True)
    with tarfile.open(package) as archive:
        for member in archive:
            if member.isfile() and WANTED.search(member.name):
                source = archive.extractfile(member)
                assert source is not None
                (partial / Path(member.name).name).write_bytes(source.read())
    try:
        partial.rename(CACHE)
    except OSError:  # another process was faster
        shutil.rmtree(partial)


@pytest.fixture(scope="module")
def sources(needs: Needs) -> Path:
    """The folder with the sources; skips where they cannot be had, and fails with CI=true."""
    if not (CACHE / "boot.S").exists():
        needs("apt-get", "apt")
        try:
            fetch()
        except (OSError, KeyError, StopIteration, subprocess.SubprocessError) as error:
            message = f"Debian's source package qemu cannot be fetched: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(message, pytrace=False)
            pytest.skip(message)
    return CACHE


@pytest.fixture(scope="module")
def run(sources: Path, needs: Needs, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Compile a test as QEMU's Makefile does and run it by `axlab run`: status, output, messages."""
    compiler = needs("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    folder = tmp_path_factory.mktemp("qemu")

    def ran(capture: pytest.CaptureFixture[str], name: str, *script: str, options: str = "", semihosting: str = "true",
            changed: Callable[[str], str] = str) -> tuple[int, str, str]:  # fmt: skip
        source = folder / f"{name}.c"
        source.write_text(changed((sources / f"{name}.c").read_text()))
        common = f"-nostdlib -ggdb -O0 -fno-stack-protector -isystem {sources} {options}".split()
        parts = [source, "-x", "assembler-with-cpp", sources / "boot.S", "-x", "c", sources / "printf.c", "-x", "none"]
        link = ["-static", f"-Wl,-T{sources / 'kernel.ld'}", "-lgcc", "-o", folder / name]
        subprocess.run([compiler, *common, *parts, *link], check=True)
        config = folder / f"{name}.toml"
        config.write_text(CONFIG.format(name=name, semihosting=semihosting))
        status = main(["run", str(config), *script])
        captured = capture.readouterr()
        return status, captured.out, captured.err

    return ran


def test_hello_greets_by_semihosting(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(capfd, "hello") == (0, "Hello World\n", "")


def test_semiheap_finds_memory_that_is_free(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capfd, "semiheap")
    assert status == 0 and out.endswith("Passed HeapInfo checks\n")


def test_memory_can_be_accessed_in_every_size_at_every_offset(
    run: Run, capfd: pytest.CaptureFixture[str], volume: Callable[[int], int]
) -> None:
    """As it is the test takes 160 million instructions; by default it is optimised, and of one page boundary."""
    whole = volume(10) == 10
    options = "-DCHECK_UNALIGNED=1" + ("" if whole else " -O2 -fno-tree-loop-distribute-patterns")

    def smaller(text: str) -> str:
        assert "\n#define TEST_SIZE (MEM_PAGE_SIZE * 4)" in text
        return text if whole else text.replace("MEM_PAGE_SIZE * 4", "MEM_PAGE_SIZE + 64")

    status, out, _ = run(capfd, "memory", options=options, changed=smaller)
    assert status == 0 and out.endswith("Test complete: PASSED\n")


def test_semiconsole_reads_what_is_typed(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    script = ["--expect", "hit X to exit:", "--send", "abc", "--expect", "abc", "--send", "X", "--expect", "X"]
    assert run(capfd, "semiconsole", *script) == (0, "Semihosting Console Test\nhit X to exit:abcX", "")


def test_semiconsole_that_nobody_types_to_sleeps(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capfd, "semiconsole")
    assert (status, err) == (1, "axlab: semiconsole: asleep, and nothing is going to wake it\n")


def test_pointer_authentication_is_not_there_and_its_instructions_are_undefined(
    run: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capfd, "pauth-3", options="-march=armv8.3-a")
    assert (status, out) == (1, "Terminated by exception.\n") and err.endswith("the guest ended with exit code 1\n")


def test_without_the_switch_the_call_is_undefined(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """The exception's handler makes such a call itself, for ever."""
    status, out, err = run(capfd, "hello", "--for", "1ms", semihosting="false")
    assert (status, out, err) == (1, "", "axlab: 1 ms of virtual time have passed\n")
