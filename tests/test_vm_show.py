"""`vm show`: the basic form, what the flags add, the full form, and the looks into a guest beside it."""

from __future__ import annotations

import pytest
from shell_labs import FAULTS, lab_with, prints, said
from small_guests import POWERS_OFF, SLEEPS_FOR_EVER, SPINS

from axlab.shell.commands_show import DeviceFacts, RegionFacts, ShowResult, VcpuFacts, full_text, ranges
from axlab.vmm.config import MemoryRegion


def test_the_basic_form() -> None:
    lab = lab_with(SPINS, cpus=2)
    lab.shell("vm start 0 -d")
    lab.run(for_="1ms")
    assert said(lab.shell("vm show 0")) == [
        "VM Details: 0",
        "",
        "  VM ID: 0",
        "  Name: guest0",
        "  Status: ● Running",
        "  VCPUs: 2",
        "  Memory: 16MB",
        "",
        "VCPU Summary:",
        "  Free: 1",
        "  Running: 1",
        "",
        "Memory Summary:",
        "  Total Regions: 1",
        "  Total Size: 16MB",
        "",
        "Use 'vm show 0 --full' for detailed information",
    ]


@pytest.mark.parametrize(
    ("source", "before", "hint"),
    [
        (SPINS, "", "  ℹ VM is ready. Use 'vm start 0' to boot."),
        (SPINS, "vm start 0 -d; vm suspend 0", "  ℹ VM is paused. Use 'vm resume 0' to continue."),
        (POWERS_OFF, "vm start 0", "  ℹ VM is stopped. Use 'vm delete 0' to clean up."),
    ],
)
def test_a_hint_says_what_can_be_done(source: str, before: str, hint: str) -> None:
    lab = lab_with(source)
    lab.shell(before)
    assert said(lab.shell("vm show 0"))[7:9] == ["", hint]


def test_a_failed_vm_shows_its_reason() -> None:
    lab = lab_with(FAULTS)
    lab.shell("vm start 0")
    lines = said(lab.shell("vm show guest0"))
    assert lines[4] == "  Status: ✗ Failed"
    assert lines[8].startswith("  ✗ VM has failed: ") and "0x10000000" in lines[8]


def test_config_and_stats_add_their_parts() -> None:
    lab = lab_with(prints("hi"))
    lab.shell("vm start 0")
    lines = said(lab.shell("vm show 0 -cs"))
    at = lines.index("Configuration:")
    assert lines[at : at + 4] == [
        "Configuration:",
        "  BSP Entry: 0x40080000",
        "  AP Entry: 0x40080000",
        "  Interrupt Mode: Emulated",
    ]
    assert lines[at + 4].startswith("  DTB Address: 0x")
    at = lines.index("Device Summary:")
    assert lines[at + 1].startswith("  MMIO Devices: ") and lines[at + 2].startswith("  SysReg Devices: ")
    assert "  MmioWrite: 2" in lines
    assert lines[-1] == "Use 'vm show 0 --full' for detailed information"


def test_a_vm_that_is_not_there() -> None:
    lab = lab_with(SPINS)
    assert said(lab.shell("vm show 7")) == ["✗ VM[7] not found"]
    assert said(lab.shell("vm show guets0")) == ["Error: Invalid VM ID: guets0", "  Did you mean guest0?"]


def test_the_full_form_has_everything() -> None:
    lab = lab_with(
        SPINS,
        cpus=2,
        sets=(1, 2),
        ids=(0, 0x100),
        regions=(MemoryRegion(0x4000_0000, 16 << 20), MemoryRegion(0x8000_0000, 0x2000, 7, 1)),
    )
    lines = said(lab.shell("vm show 0 --full"))
    assert lines[:9] == [
        "=== VM Details: 0 ===",
        "",
        "Basic Information:",
        "  VM ID: 0",
        "  Name: guest0",
        "  Status: ○ Loaded",
        "  VCPUs: 2",
        "  Memory: 16MB",
        f"  EPT Root: {lab.vm(0).ept_root:#x}",
    ]
    at = lines.index("VCPU Details:")
    assert lines[at + 1 : at + 3] == ["  VCPU 0: Free (Affinity: 0x1)", "  VCPU 1: Free (Affinity: 0x2)"]
    at = lines.index("Memory Regions: (2 region(s), 16MB total)")
    assert lines[at + 1].startswith("  Region 0: GPA=0x40000000 HVA=0x")
    assert lines[at + 1].endswith(" Size=16MB Type=Allocated")
    assert lines[at + 2] == "  Region 1: GPA=0x80000000 HVA=0x80000000 Size=8KB Type=Allocated [identical]"
    assert "  Kernel GPA: 0x40080000" in lines
    at = lines.index("  VCpu Affinity Details:")
    assert lines[at + 1 : at + 3] == [
        "    VCpu 0: Physical CPU mask 0x1, PCpu ID 0x0",
        "    VCpu 1: Physical CPU mask 0x2, PCpu ID 0x100",
    ]
    for heading in ("VCPU Summary:", "Memory Summary:", "Device Summary:"):
        assert heading in lines


def test_the_documents_full_example() -> None:
    """Fix 23: PCpu IDs are hexadecimal."""
    shown = ShowResult(
        id=0, name="linux-qemu", state="Running", reason="", memory_bytes=256 << 20,
        vcpus=[VcpuFacts(0, "Running", "", "On", 1, 0)],
        regions=[RegionFacts(0x8000_0000, 0x4000_0000, 256 << 20, "Allocated", False)],
        ept_root=0x1234_5000, entry=0x8020_0000, kernel=0x8020_0000, dtb=0x8000_0000, interrupt_mode="passthrough",
        passthrough=[DeviceFacts("uart", 0xFE66_0000, 0xFE66_0000, 0x1_0000)],
    )  # fmt: skip
    expected = """\
=== VM Details: 0 ===

Basic Information:
  VM ID: 0
  Name: linux-qemu
  Status: ● Running
  VCPUs: 1
  Memory: 256MB
  EPT Root: 0x12345000

VCPU Details:
  VCPU 0: Running (Affinity: 0x1)

Memory Regions: (1 region(s), 256MB total)
  Region 0: GPA=0x80000000 HVA=0x40000000 Size=256MB Type=Allocated

Configuration:
  BSP Entry: 0x80200000
  AP Entry: 0x80200000
  Interrupt Mode: Passthrough
  DTB Address: 0x80000000
  Kernel GPA: 0x80200000

  Passthrough Devices: (1 device(s))
    - uart: GPA[0xfe660000~0xfe670000] -> HPA[0xfe660000~0xfe670000] (64KB)

  VCpu Affinity Details:
    VCpu 0: Physical CPU mask 0x1, PCpu ID 0x0
"""
    assert "\n".join(full_text(shown)).startswith(expected)


def test_neighbouring_numbers_are_shown_as_ranges() -> None:
    assert ranges([33, 34, 39, 48, 49, 50]) == ["33-34", "39", "48-50"]
    assert ranges([]) == []


# Looks into a guest


def test_exits_are_counted_with_rates() -> None:
    lab = lab_with(prints("hello"))
    lab.shell("vm start 0")
    lines = said(lab.shell("vm exits 0"))
    assert lines[0].split() == ["REASON", "COUNT", "SHARE", "PER", "SECOND"]
    assert lines[2].split()[:3] == ["MmioWrite", "5", "83.3%"]
    assert lines[-1].startswith("6 exits of VM[0] in ")
    assert lab.shell("vm exits 0 --format json").json()["total"] == 6


def test_step_executes_exactly_so_many_instructions() -> None:
    lab = lab_with("    mov x1, #7\n    mov x2, #9\n    b .", SPINS)
    lab.shell("vm start 0 -d")
    vcpu = lab.vm(0).vcpus[0]
    assert said(lab.shell("vm step 0")) == ["  VCPU 0: 0x40080004: mov x2, #0x9"]
    assert (vcpu.instructions, vcpu.cpu.x[1], vcpu.cpu.x[2]) == (1, 7, 0)
    lab.shell("vm start 1 -d")
    assert lab.shell("vm step 0 10").json()["executed"] == 10
    assert vcpu.instructions == 11
    assert not lab.shell("vm stop 1 -f; vm step 1").ok


def test_registers_memory_and_instructions_can_be_read() -> None:
    lab = lab_with('    mov x1, #7\n    b .\n    .asciz "text"')
    lab.shell("vm start 0 -d; vm step 0 2")
    text = lab.shell("vm regs 0").text()
    assert text.startswith("VM[0] VCpu[0]: EL1, PSTATE ") and "x1 0000000000000007" in text
    assert said(lab.shell("vm mem 0 0x40080008 8")) == ["40080008  74 65 78 74 00 00 00 00" + " " * 27 + "|text....|"]
    assert lab.shell("vm mem 0 0x4008_0008 4 --physical").text() == lab.shell("vm mem guest0 0x40080008 4").text()
    assert said(lab.shell("vm disasm 0 0x40080000 2")) == [
        "   0x40080000: d28000e1  mov x1, #0x7",
        "=> 0x40080004: 14000000  b 0x40080004",
    ]
    walk = lab.shell("vm walk 0 0x40080000")
    assert walk.ok and walk.json()["ipa"] == 0x4008_0000
    assert lab.board.memory.read_int(walk.json()["pa"], 4) == 0xD28000E1


def test_what_is_not_mapped_is_explained() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    result = lab.shell("vm mem 0 0x1000")
    assert not result.ok
    assert result.text().startswith("✗ nothing is mapped at the guest virtual address 0x1000: ")
    assert not lab.shell("vm regs 0 -c 5").ok
    assert "VM[0] has no vCPU 5" in lab.shell("vm regs 0 -c 5").text()


def test_vcpus_are_listed_shown_and_pinned() -> None:
    lab = lab_with(SPINS, SLEEPS_FOR_EVER)
    lab.shell("vm start -d")
    lab.run(for_="2ms")
    rows = [line.split()[:6] for line in said(lab.shell("vcpu list"))[2:]]
    assert rows[0][:5] == ["0.0", "Running", "On", "any", "0"]
    assert rows[1][:3] == ["1.0", "Blocked", "(interrupt)"]
    assert "Exits:" in lab.shell("vcpu show guest1.0").text()
    assert said(lab.shell("vcpu pin 0.0 0x2")) == ["✓ VCpu 0.0 runs on physical CPU mask 0x2"]
    assert lab.vm(0).vcpus[0].affinity == 2
    assert not lab.shell("vcpu pin 0.0 0x80").ok
    assert said(lab.shell("vcpu show 0.3")) == ["✗ VM[0] has no vCPU 3: its only vCPU is 0"]


def test_the_machine_shows_its_board_cpus_and_clock() -> None:
    lab = lab_with(SPINS, cpus=1)
    lab.shell("vm start 0 -d")
    lab.run(for_="3ms")
    text = lab.shell("machine show").text()
    assert "Virtual time:   3 ms" in text and "VM[0]-VCpu[0]" in text and "virtio0-31" in text
    assert len(lab.shell("machine show").json()["cpus"]) == 4
    assert lab.shell("machine irqs").ok


def test_console_log_config_and_clone() -> None:
    lab = lab_with(prints("one\n\x1b[31mtwo\n"))
    lab.shell("vm start 0")
    assert said(lab.shell("vm console 0")) == ["one", "two"]
    assert any("console: one" in line for line in said(lab.shell("vm log 0")))
    assert lab.shell("vm config 0").text() == lab.vm(0).config.anywhere().to_toml().rstrip("\n")
    result = lab.shell("vm clone 0 twin")
    assert said(result) == ["✓ VM[1] created as a clone of VM[0]"]
    assert lab.vm("twin").config.kernel == lab.vm(0).config.kernel
    assert said(lab.shell("vm clone 0 twin"))[0].startswith("✗ VM with name 'twin' already exists")


def test_text_is_typed_on_a_console() -> None:
    from shell_labs import ECHOES

    lab = lab_with(ECHOES)
    assert said(lab.shell("vm console 0 --send x")) == ["✗ VM[0] is Loaded; nobody reads its console"]
    lab.shell("vm start 0 -d")
    assert said(lab.shell(r"vm console 0 --send 'ls -l\n'")) == ["✓ 6 byte(s) sent to VM[0]"]
    result = lab.shell("vm run --until-text '-l'")
    assert result.ok and said(result) == ["ls -l"]
    assert not lab.shell("vm run --for 1ms --until-text never").ok


def test_wait_ends_with_the_vm_or_at_its_timeout() -> None:
    lab = lab_with(prints("bye"), SPINS)
    lab.shell("vm start -d")
    assert lab.shell("vm wait 0").ok
    result = lab.shell("vm wait 1 --timeout 5ms")
    assert not result.ok
    assert said(result) == ["ℹ 5 ms of virtual time have passed; 'vm run' goes on"]


def test_wait_for_a_vm_that_waits_for_a_command_names_the_command() -> None:
    lab = lab_with(SLEEPS_FOR_EVER, SPINS)
    assert said(lab.shell("vm wait 0")) == ["ℹ VM[0] is Loaded; 'vm start 0' boots it"]
    lab.shell("vm start -d; vm suspend 1")
    assert said(lab.shell("vm wait all")) == [
        "ℹ VM[1] is Suspended; 'vm resume 1' lets it go on",
        "ℹ VM[0] sleeps, and nothing is going to wake it",
    ]


def test_run_says_why_it_ended() -> None:
    lab = lab_with(SPINS)
    lab.shell("vm start 0 -d")
    assert said(lab.shell("vm run --for 5ms")) == ["ℹ 5 ms of virtual time have passed; 'vm run' goes on"]
    assert lab.now == 5_000_000
    lab.shell("vm suspend 0")
    assert said(lab.shell("vm run")) == ["ℹ The machine sleeps, and nothing is going to wake it"]


def test_log_lines_are_shown_as_the_level_says() -> None:
    lab = lab_with(POWERS_OFF)
    assert said(lab.shell("log")) == ["Log level: off"]
    lab.shell("log info")
    lines = said(lab.shell("vm start 0"))
    assert any(line.endswith("info] Spawning task for VM[0] VCpu[0]") for line in lines)
    assert not any(" debug] " in line for line in lines)
