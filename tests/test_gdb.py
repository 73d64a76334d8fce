"""The gdb stub: packets, what a session answers, and sessions of the real gdb-multiarch."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from shell_labs import lab_with
from small_guests import COUNTS, ENTRY, POWERS_OFF, SPINS
from test_stops import RACE

from axlab.lab import Lab
from axlab.time.gdb_packets import Message, Reader, framed
from axlab.time.gdb_server import Connection, listen, serve
from axlab.time.gdb_session import HANDLERS, Session

Needs = Callable[[str, str], str]
COUNTER = 0x4020_0000
U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"


@pytest.fixture
def lab() -> Lab:
    lab = lab_with(COUNTS)
    lab.shell("vm start 0 -d")
    return lab


def ask(session: Session, *packets: str) -> list[str]:
    """The last answer to each packet."""
    return [list(session.answer(packet.encode("latin-1")))[-1].decode("latin-1") for packet in packets]


# The wire


def test_packets_come_in_pieces_and_several_at_once() -> None:
    reader = Reader()
    data = framed(b"g") + b"+" + b"\x03" + framed(b"m0,4") + b"-"
    found = [message for byte in data for message in reader.feed(bytes([byte]))]
    assert found == [Message("packet", b"g"), Message("interrupt"), Message("packet", b"m0,4"), Message("resend")]
    assert Reader().feed(data) == found


def test_what_needs_escapes_survives() -> None:
    payload = bytes(range(256))
    assert Reader().feed(framed(payload)) == [Message("packet", payload)]


def test_a_wrong_checksum_is_broken() -> None:
    assert Reader().feed(b"$g#00") == [Message("broken")]
    assert Reader().feed(b"$g#zz") == [Message("broken")]


def test_any_bytes_are_messages_or_nothing() -> None:
    rng = random.Random(1)
    for _ in range(300):
        reader = Reader()
        for _ in range(5):
            for message in reader.feed(bytes(rng.choice(b"$#}+-\x03ab0") for _ in range(rng.randrange(40)))):
                assert message.kind in ("packet", "interrupt", "broken", "resend")
    assert len(Reader().feed(b"$" + b"a" * 100_000)) == 0


# A session


def test_registers_are_read_and_written(lab: Lab) -> None:
    session, cpu = Session(lab, 0), lab.vm(0).vcpus[0].cpu
    cpu.x[3] = 0x1122_3344_5566_7788
    assert ask(session, "p3", "p20") == ["8877665544332211", f"{ENTRY:016x}"[14:] + "000840" + "00000000"]
    assert ask(session, "P4=0100000000000000", "p4", "P5=01", "pffff", "p") == [
        "OK", "0100000000000000", "E01", "E01", "E01",
    ]  # fmt: skip
    whole = ask(session, "g")[0]
    assert len(whole) == 2 * (33 * 8 + 4 + 32 * 16 + 8)
    assert ask(session, "G" + whole) == ["OK"]
    assert cpu.pc == ENTRY


def test_memory_is_seen_through_the_guests_translation_and_ends_where_it_ends(lab: Lab) -> None:
    session = Session(lab, 0)
    assert ask(session, f"M{COUNTER:x},4:01020304", f"m{COUNTER:x},8") == ["OK", "0102030400000000"]
    assert ask(session, "m10000000,4", "M10000000,1:00", "m9000000,4", "mzz", "m0", "M0,4:00") == [
        "E14", "E14", "E14", "E01", "E01", "E01",
    ]  # fmt: skip
    assert len(ask(session, "m40fffff8,10")[0]) == 16, "the RAM ends there"


def test_breakpoints_and_watches_stop_and_say_which(lab: Lab) -> None:
    session = Session(lab, 0)
    assert ask(session, f"Z0,{ENTRY + 8:x},4", "vCont;c", "vCont;c") == ["OK", *["T05hwbreak:;thread:1;"] * 2]
    assert ask(session, f"z0,{ENTRY + 8:x},4", f"Z2,{COUNTER + 4:x},4", "c") == [
        "OK", "OK", f"T05watch:{COUNTER + 4:x};thread:1;",
    ]  # fmt: skip
    assert ask(session, f"z2,{COUNTER + 4:x},4", f"Z3,{COUNTER:x},8", "c") == [
        "OK", "OK", f"T05rwatch:{COUNTER:x};thread:1;",
    ]  # fmt: skip
    session.leave()
    assert not lab.hypervisor.stops.points and lab.hypervisor.stops.stopped is None


def test_a_step_is_one_instruction_of_one_thread() -> None:
    lab = lab_with(RACE, cpus=2)
    lab.shell("vm start 0 -d")
    lab.run("50us")
    session = Session(lab, 0)
    for thread in (1, 2, 2, 1):
        vcpu = lab.vm(0).vcpus[thread - 1]
        before = vcpu.instructions
        assert ask(session, f"vCont;s:{thread:x};c") == [f"T05thread:{thread};"]
        assert vcpu.instructions == before + 1


def test_a_step_over_an_access_to_a_device_is_behind_it() -> None:
    lab = lab_with("    ldr x1, =0x09000000\n    ldr w2, [x1, #0x18]\n    nop\n    b .")
    lab.shell("vm start 0 -d")
    session = Session(lab, 0)
    ask(session, "s", "s")
    assert (lab.vm(0).vcpus[0].cpu.pc, lab.vm(0).vcpus[0].cpu.x[2]) == (ENTRY + 8, 0x90)


def test_the_end_of_a_vm_is_that_of_a_process() -> None:
    lab = lab_with(POWERS_OFF)
    lab.shell("vm start 0 -d")
    assert ask(Session(lab, 0), "c", "?") == ["W00", "W00"]
    lab.shell("vm delete 0")
    assert ask(Session(lab_with(SPINS), 0), "qfThreadInfo") == ["m1"]


def test_going_back_and_on_again(lab: Lab) -> None:
    session, cpu = Session(lab, 0), lambda: lab.vm(0).vcpus[0].cpu
    ask(session, f"Z0,{ENTRY + 12:x},4", "c", "c", "c")
    assert cpu().x[2] == 3
    assert ask(session, "bs")[0].startswith("T05")
    assert cpu().pc == ENTRY + 8
    assert ask(session, "bc") == ["T05hwbreak:;thread:1;"]
    assert (cpu().pc, cpu().x[2]) == (ENTRY + 12, 2)
    ask(session, "bc")
    assert ask(session, "bc") == ["T05replaylog:begin;thread:1;"]


def test_monitor_runs_commands_of_the_shell(lab: Lab) -> None:
    session = Session(lab, 0)
    answers = [bytes(one) for one in session.answer(b"qRcmd," + b"vm list".hex().encode())]
    assert answers[-1] == b"OK"
    assert bytes.fromhex(answers[0][1:].decode()).startswith(b"VM ID")
    wrong = next(iter(session.answer(b"qRcmd," + b"vm lisst".hex().encode())))
    assert b"did you mean list?" in bytes.fromhex(wrong[1:].decode())


def test_packets_that_mean_nothing_break_nothing(lab: Lab, volume: Callable[[int], int]) -> None:
    rng = random.Random(7)
    session = Session(lab, 0)
    beginnings = [prefix for prefix, _ in HANDLERS if prefix not in ("c", "k", "vKill", "D", "bc", "vCont;", "s", "bs")]
    for _ in range(volume(3000)):
        tail = "".join(rng.choice("0123456789abcdef,:;=#$}-.xZ\xff") for _ in range(rng.randrange(20)))
        for answer in session.answer((rng.choice(beginnings) + tail).encode("latin-1")):
            assert isinstance(answer, bytes)
    assert ask(session, "vCont;s:1")[0].startswith("T05")


def test_a_gdb_that_goes_away_leaves_nothing_behind(lab: Lab) -> None:
    with listen(0) as server:
        import socket

        with socket.create_connection(server.getsockname()) as peer:
            peer.sendall(framed(b"QStartNoAckMode") + framed(f"Z0,{ENTRY:x},4".encode()) + b"$broken")
        assert serve(server, lab, 0, lambda: False)
    assert not lab.hypervisor.stops.points


def test_ctrl_c_stops_the_machine(lab: Lab) -> None:
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours, lambda: False)
        theirs.sendall(framed(b"vCont;c") + b"\x03" + framed(b"D"))
        connection.serve(Session(lab, 0, connection.interrupted))
        assert framed(b"T02thread:1;") in theirs.recv(10_000)


@pytest.mark.parametrize("packet", ["bs", "bc"])
def test_ctrl_c_on_the_way_back_leaves_gdb_where_it_was(lab: Lab, packet: str) -> None:
    lab.run("3ms")
    looks = iter(range(1_000))
    session = Session(lab, 0, lambda: next(looks) > 2)
    ask(session, f"Z0,{ENTRY:x},4")
    before = lab.hypervisor.position
    assert ask(session, packet) == ["T02thread:1;"] and lab.hypervisor.position == before


# The real gdb


def gdb(
    needs: Needs,
    lab: Lab,
    vm: int,
    *commands: str,
    file: Path | None = None,
    beside: Callable[[subprocess.Popen[str]], None] | None = None,
) -> str:
    """What gdb-multiarch prints for commands, attached to a VM. `beside` runs in a thread of its own meanwhile."""
    program = needs("gdb-multiarch", "gdb-multiarch")
    with listen(0) as server:
        port = server.getsockname()[1]
        words = [program, "-nx", "-batch", "-ex", "set confirm off", "-ex", "set pagination off"]
        words += ["-ex", "set architecture aarch64", "-ex", f"target remote 127.0.0.1:{port}"]
        for command in commands:
            words += ["-ex", command]
        with subprocess.Popen(
            [*words, *([str(file)] if file else [])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            if beside is not None:
                threading.Thread(target=beside, args=(process,), daemon=True).start()
            serve(server, lab, vm, lambda: process.poll() is not None)
            output, _ = process.communicate(timeout=60)
    return output


def test_gdb_debugs_the_demo_guest(needs: Needs) -> None:
    lab = Lab()
    lab.create("demo")
    lab.hypervisor.start(lab.vm(0))
    at = lab.vm(0).symbols.address_of
    output = gdb(
        needs, lab, 0,
        "info registers pc sp cpsr VBAR_EL1",
        f"break *{at('print_digit')}",
        f"watch *(int*){at('second_is_done')}",
        "continue", "p/x $pc", "x/2i $pc", "stepi", "p/x $pc",
        "reverse-stepi", "p/x $pc",
        "delete 1", "continue", "p $_siginfo", "info threads", "p $v0.u64[0]", "p/x $TTBR0_EL1",
        "monitor vm list",
        "delete", "detach",
    )  # fmt: skip
    digit = at("print_digit")
    assert f"Breakpoint 1, {digit:#018x}" in output
    assert f"$1 = {digit:#x}\n" in output
    assert f"=> {digit:#x}:\tadd\tw0, w0, #0x30" in output
    assert f"$2 = {digit + 4:#x}\n" in output
    assert f"$3 = {digit:#x}\n" in output, "back again"
    assert "Old value = 0\nNew value = 1" in output
    assert "demo VCpu[0] Blocked (interrupt)" in output and "demo VCpu[1] Running" in output
    assert "VM ID" in output and "[Inferior 1 (Remote target) detached]" in output
    assert not lab.hypervisor.stops.points
    assert lab.run() == "idle" and lab.vm(0).state == "Stopped"


def test_ctrl_c_in_gdb_stops_a_guest_that_never_ends(needs: Needs, lab: Lab) -> None:
    before = lab.hypervisor.executed

    def interrupt(process: subprocess.Popen[str]) -> None:
        while lab.hypervisor.executed == before and process.poll() is None:
            time.sleep(0.01)  # until the guest runs, and so gdb waits for it
        process.send_signal(signal.SIGINT)

    output = gdb(needs, lab, 0, "continue", "p/x $pc", "stepi", "detach", beside=interrupt)
    assert "received signal SIGINT" in output, output
    stood = re.search(r"^\$1 = (0x[0-9a-f]+)$", output, re.MULTILINE)
    assert stood is not None and ENTRY <= int(stood[1], 16) < ENTRY + 0x40, output
    assert "[Inferior 1 (Remote target) detached]" in output
    assert lab.hypervisor.executed > before and lab.vm(0).state == "Running"


def test_a_run_under_gdb_is_the_run_without(needs: Needs) -> None:
    prints = []
    for debugged in (True, False):
        lab = Lab()
        lab.create("demo")
        lab.hypervisor.start(lab.vm(0))
        if debugged:
            digit = lab.vm(0).symbols.address_of("print_digit")
            gdb(needs, lab, 0, f"break *{digit}", "continue", "stepi", "continue", "delete", "detach")
        lab.run()
        prints.append(lab.fingerprint())
    assert prints[0] == prints[1]


def test_gdb_sees_two_vcpus_as_threads(needs: Needs) -> None:
    lab = lab_with(RACE, cpus=2)
    lab.shell("vm start 0 -d")
    lab.run("30us")
    output = gdb(
        needs, lab, 0, "info threads", "thread 2", "stepi", "p $_thread", "thread 1", "p $_thread",
        "set var $x20 = 0x1234", "p/x $x20", f"x/gx {COUNTER}", "kill",
    )  # fmt: skip
    assert "Thread 1 " in output and "Thread 2 " in output
    assert "$1 = 2\n" in output and "$2 = 1\n" in output and "$3 = 0x1234\n" in output
    assert lab.vm(0).state in ("Stopping", "Stopped")


def test_gdb_goes_back_on_a_guest_of_two_vcpus(needs: Needs) -> None:
    lab = lab_with(RACE, cpus=2)
    lab.shell("vm start 0 -d")
    output = gdb(
        needs, lab, 0, f"watch *(long*){COUNTER}", *["continue"] * 4, "p/x $pc", "p $_thread",
        "reverse-continue", "reverse-continue", "continue", "continue", "p/x $pc", "p $_thread",
        "delete", "reverse-stepi", "stepi", "p/x $pc", "detach",
    )  # fmt: skip
    shown = re.findall(r"^\$\d+ = (.+)$", output, re.MULTILINE)
    assert len(shown) == 5 and shown[:2] == shown[2:4] and shown[4] == shown[0], output
    assert output.count("New value = ") >= 6


@pytest.mark.slow
def test_gdb_debugs_u_boot(needs: Needs, tmp_path: Path) -> None:
    from axlab.cli import main

    needs(U_BOOT, "u-boot-qemu")
    assert main(["fetch", "u-boot", "-o", str(tmp_path)]) == 0
    lab = Lab()
    vm = lab.create(tmp_path / "u-boot.toml")
    lab.hypervisor.start(vm)
    output = gdb(
        needs,
        lab,
        vm.id,
        "p/x $pc",
        "stepi 5",
        "p/x $pc",
        "x/i $pc",
        "p/x $SCTLR_EL1",
        "break *$pc+16",
        "continue",
        "p/x $pc",
        "stepi 3",
        "reverse-stepi 3",
        "p/x $pc",
        "stepi",
        "reverse-continue",
        "p/x $pc",
        "detach",
    )
    first = vm.config.kernel.entry_point
    assert f"$1 = {first:#x}\n" in output and "=> 0x" in output and "detached" in output
    assert len(set(re.findall(r"^\$[456] = (.+)$", output, re.MULTILINE))) == 1, output
    assert lab.run("1ms") == "time"
