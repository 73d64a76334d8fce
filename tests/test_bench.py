"""`axlab bench`: its programs compute what they should, and its figures say what was reached and what is missing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

import pytest

from axlab.bench import boots, clock, engines, exits, growth, measurements, others, workloads
from axlab.bench.figures import Figure, LeftOut, at_most, per_second
from axlab.bench.measurements import MEASUREMENTS, Settings
from axlab.bench.report import as_json, line
from axlab.bench.workloads import ORIGIN, WORKLOADS, Workload
from axlab.cli import main

BY_NAME = {workload.name: workload for workload in WORKLOADS}
FIB = BY_NAME["fib"]


# Programs


def test_a_workload_ends_with_the_same_result_alone_and_in_a_vm() -> None:
    alone, in_vm = engines.run_bare(FIB), engines.run_under_hypervisor(FIB)
    assert alone.instructions == in_vm.instructions == 3_731_933


def test_recording_a_workload_keeps_every_instruction() -> None:
    assert engines.run_recorded(FIB).instructions == 3_731_933


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BY_NAME))
def test_every_workload_computes_its_result(name: str, needs: Callable[[str, str], str]) -> None:
    if BY_NAME[name].missing:
        needs(workloads.COMPILER, "gcc-aarch64-linux-gnu")
    assert engines.run_bare(BY_NAME[name]).instructions > 3_000_000


@pytest.mark.parametrize("name", ["sha256", "crc32"])
def test_the_workloads_in_c_are_built_by_the_cross_compiler(name: str, needs: Callable[[str, str], str]) -> None:
    needs(workloads.COMPILER, "gcc-aarch64-linux-gnu")
    assert workloads.end_of(BY_NAME[name].build()) > ORIGIN


@pytest.mark.parametrize(
    ("what", "reason", "count"),
    [
        ("a load of the UART", "MmioRead", 50),
        ("a store to the UART", "MmioWrite", 54),  # 4 to the GIC before
        ("a load of a device that is passed through", "MmioRead", 0),
        ("a hypercall", "Hypercall", 50),
        ("WFI until the timer", "Halt", 50),
    ],
)
def test_a_guest_that_leaves_for_one_reason_does_so(what: str, reason: str, count: int) -> None:
    hypervisor, vm = exits.started(what, 50)
    hypervisor.advance()
    assert (vm.state, vm.vcpus[0].cpu.x[workloads.RESULT], vm.exits[reason]) == ("Stopped", 0, count)


def test_a_wrong_result_makes_a_measurement_fail() -> None:
    wrong = replace(FIB, result=1)
    with pytest.raises(engines.WrongResult, match="fib on a bare CPU ended with 0x1da31, not 0x1"):
        engines.run_bare(wrong)


def test_unicorn_computes_the_same() -> None:
    if not engines.has_unicorn():
        pytest.skip("the Python package unicorn is not installed")
    assert engines.run_unicorn(FIB) > 0


def test_vcpus_that_share_a_lock_lose_no_count() -> None:
    assert others.share_a_lock(3).instructions > 3 * others.ROUNDS


def test_vcpus_compute_as_often_as_they_are_told_to() -> None:
    few, many = (others.share_a_lock(2, rounds=10, alone=alone).instructions for alone in (100, 200))
    assert many - few == pytest.approx(2 * 10 * 100 * 4, abs=100)


def test_vms_that_run_at_once_all_end_with_their_result() -> None:
    assert others.many_at_once(2, level="instructions").instructions == 2 * 3_731_933


def test_a_vm_computes_beside_sleepers() -> None:
    assert others.beside_sleepers(5) > 0


# Boots


def test_the_ram_disk_is_a_cpio_archive_of_init() -> None:
    archive = io.BytesIO(boots.archive("init", b"program"))
    found = []
    while True:
        header = archive.read(110)
        assert header[:6] == b"070701"
        mode, size, name_size = (int(header[at : at + 8], 16) for at in (14, 54, 94))
        name = archive.read(name_size).rstrip(b"\0").decode()
        archive.seek(-(-archive.tell() // 4) * 4)
        found.append((name, mode, archive.read(size)))
        archive.seek(-(-archive.tell() // 4) * 4)
        if name == "TRAILER!!!":
            break
    assert found == [("init", 0o100755, b"program"), ("TRAILER!!!", 0, b"")]


def test_init_is_an_executable_for_linux() -> None:
    from elftools.elf.elffile import ELFFile

    data = workloads.assembled("init.S", boots.INIT_ADDRESS)
    elf = ELFFile(io.BytesIO(data))
    assert (elf["e_machine"], elf["e_type"]) == ("EM_AARCH64", "ET_EXEC")
    segment = elf.get_segment(0)
    assert (segment["p_vaddr"], segment["p_filesz"]) == (boots.INIT_ADDRESS, len(data))
    assert boots.INIT_SAYS in data


@pytest.mark.slow
def test_u_boot_reaches_its_prompt(needs: Callable[[str, str], str]) -> None:
    needs(str(boots.U_BOOT), "u-boot-qemu")
    boot = boots.boot_u_boot()
    assert boot.instructions > 20_000_000
    assert boot.touched > 1 << 20


def test_a_guest_that_does_not_come_as_far_says_how_far_it_came() -> None:
    from axlab.errors import AxError
    from axlab.events import Observers
    from axlab.machine.board import Board
    from axlab.vmm.config import default_config
    from axlab.vmm.hypervisor import Hypervisor

    hypervisor = Hypervisor(Board(), Observers())
    vm = hypervisor.create(default_config("demo"))
    hypervisor.start(vm)
    with pytest.raises(AxError, match="demo ended .Stopped guest power-off. before it printed b'login:'"):
        boots.finish(hypervisor, vm, hypervisor.advance, b"login:")


# Figures


def test_a_ratio_of_one_and_above_is_good_for_speeds_and_for_costs() -> None:
    assert per_second("speed", 44, 22).ratio == 2
    assert at_most("cost", 10, "s", 20).ratio == 2
    assert per_second("speed", 11, 22).reached is False
    assert at_most("cost", 20, "s", 20).reached is True
    assert at_most("cost", -1, "%", 3).ratio is None
    assert Figure("speed", 1, "M/s").ratio is Figure("speed", 1, "M/s").reached is None


def test_a_line_of_the_table_has_figure_unit_reach_and_ratio() -> None:
    assert line(per_second("fib", 16.04, 22)).split() == ["fib", "16.0", "M/s", "22.0", "0.73"]
    assert line(Figure("fib", 0.123, "s")).split() == ["fib", "0.12", "s"]
    assert line(LeftOut("Linux", "a kernel")).split("  ")[-1].strip() == "not measured: it needs a kernel"


def test_the_json_has_figures_and_what_was_left_out() -> None:
    contents = json.loads(as_json([per_second("fib", 44, 22), LeftOut("Linux", "a kernel")]))
    assert contents["figures"][0]["ratio"] == 2
    assert contents["left_out"] == [{"what": "Linux", "needs": "a kernel"}]
    assert "CPython" in contents["python"] or contents["python"]


def test_the_best_of_several_runs_counts() -> None:
    values = count(3, -1)
    assert clock.best(3, lambda: float(next(values))) == 1


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads.shutil, "which", lambda name: None)
    monkeypatch.setattr(boots, "U_BOOT", Path("/no/u-boot.bin"))
    monkeypatch.setattr(measurements, "WORKLOADS", (BY_NAME["sha256"], FIB))
    monkeypatch.setattr(engines, "has_unicorn", lambda: False)
    left_out = [
        result
        for name in ("workloads", "u-boot", "linux", "linux-smp")
        for result in MEASUREMENTS[name](Settings())
        if isinstance(result, LeftOut)
    ]
    assert [result.what for result in left_out] == ["sha256", "Unicorn", "U-Boot", "Linux", "Linux on two CPUs"]
    assert left_out[0].needs == "the Debian package gcc-aarch64-linux-gnu"


def test_the_chart_has_a_bar_for_every_figure_and_none_for_others() -> None:
    figures = [per_second(growth.name("VMs at once", "2"), 5), per_second(growth.name("recorded", "off"), 10)]
    root = ElementTree.fromstring(growth.picture([*figures, per_second("fib", 3), LeftOut("Linux", "a kernel")]))
    bars = {bar[0].text: float(bar.get("width", 0)) for bar in root if bar.tag.endswith("rect")}
    assert bars == {"VMs at once 2: 5.0 M/s": 190, "recorded off: 10.0 M/s": 380}


# The command


def test_bench_lists_its_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(MEASUREMENTS)


def test_a_chart_without_its_figures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "machine", "--chart", str(tmp_path / "x.svg")]) == 2
    assert "--chart draws the figures of 'growth', which --only leaves out" in capsys.readouterr().err
    assert not (tmp_path / "x.svg").exists()


def test_bench_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    assert main(["bench", "--only", "machine", "linux", "--json", str(path)]) == 0
    head, machine, linux = capsys.readouterr().out.splitlines()
    assert head.split() == ["what", "figure", "unit", "reach", "ratio"]
    assert "ns" in machine.split()
    assert "--linux FOLDER" in linux
    (figure,) = json.loads(path.read_text())["figures"]
    assert figure["calibration"] > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--only", "workload"], "there is no measurement 'workload'; did you mean workloads?"),
        (["--repeat", "0"], "--repeat 0 is wrong: measure at least once"),
        (["--only", "machine", "--json", "/no/such/folder/f.json"], "no such file or directory"),
        (["--only", "linux", "--linux", "/no/such/folder"], "/no/such/folder/debian-kernel.toml"),
    ],
)
def test_a_mistake_is_told_in_the_persons_words(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_every_workload_has_another_name_and_a_source() -> None:
    assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS) == 5
    for workload in WORKLOADS:
        assert isinstance(workload, Workload)
        assert (Path(workloads.__file__).parent / workload.source).is_file()
