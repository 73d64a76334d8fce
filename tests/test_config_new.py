"""New configurations: what they say passes the check, and an image alone gets a fitting one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from guest_files import NOP, arm64_image, elf

from axlab import fetch as fetching
from axlab.errors import AxError
from axlab.fetch import GUESTS, fetch
from axlab.vmm import config_schema as schema
from axlab.vmm.config import MemoryRegion, default_config, parse_config
from axlab.vmm.config_new import KINDS, QUESTIONS, ask_options, kind_config, new_config
from axlab.vmm.config_reference import reference
from axlab.vmm.load_plan import plan

# --- config new ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_file_of_every_kind_passes_the_check_and_means_what_the_kind_says(kind: str) -> None:
    text = new_config(kind)
    checked = parse_config(text, f"<{kind}>")
    assert checked.findings == []
    assert checked.config == kind_config(kind)


def test_a_new_file_explains_every_key_that_there_is() -> None:
    lines = new_config("linux").splitlines()
    for table in schema.TABLES:
        assert f"[{table.name}]" in lines
        for key in table.keys:
            place = next(i for i, line in enumerate(lines) if line.lstrip("# ").startswith(f"{key.name} = "))
            assert lines[place - 1] == f"# {key.about}"


def test_what_is_commented_out_is_right_when_it_is_switched_on() -> None:
    text = new_config("bare-metal")
    for line in text.splitlines():
        name = line.removeprefix("# ").split(" = ")[0]
        if line.startswith("# ") and any(key.name == name for table in schema.TABLES for key in table.keys):
            if name not in ("bios_path", "memory_regions"):
                checked = parse_config(text.replace(line, line.removeprefix("# ")), purpose="check")
                assert checked.errors == [], line


def test_options_become_values() -> None:
    config = parse_config(
        new_config("linux", name="box", id=7, image="a b/Image", cpus=3, memory=64 << 20, cmdline="quiet")
    )
    made = config.require()
    assert (made.base.name, made.base.id, made.base.cpu_num) == ("box", 7, 3)
    assert (made.kernel.kernel_path, made.kernel.cmdline, made.memory_bytes) == ("a b/Image", "quiet", 64 << 20)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(AxError, match="'linus' is no kind of guest; did you mean linux\\?; there are demo, bare-metal"):
        new_config("linus")
    with pytest.raises(AxError, match='base.name: "7" reads as an id, a range or all in commands'):
        new_config("demo", name="7")


def test_questions_have_defaults_and_wrong_answers_are_asked_again() -> None:
    asked: list[tuple[str, str]] = []
    answers = iter(["linx", "linux", "all", "", "300", "3", "\0", "", "two", "2", "100", "64M", ""])

    def ask(question: str, default: str) -> str:
        asked.append((question, default))
        return next(answers)

    options = ask_options(ask)
    assert options == {
        "kind": "linux",
        "name": "linux",
        "id": 3,
        "image": "Image",
        "cpus": 2,
        "memory": 64 << 20,
        "cmdline": "console=ttyAMA0 earlycon",
    }
    assert asked[0] == ("Kind of guest (demo, bare-metal, rtos, linux, u-boot)", "demo")
    assert asked[1][0].startswith("'linx' is no kind of guest; did you mean linux?\n")
    assert ("Name of the VM", "linux") in asked
    assert parse_config(new_config(**options)).findings == []  # type: ignore[arg-type]


def test_what_is_given_is_not_asked() -> None:
    given: dict[str, object] = {"kind": "demo", **{question.option: 1 for question in QUESTIONS}}

    def never(question: str, default: str) -> str:
        raise AssertionError(question)

    assert ask_options(never, given) == given
    assert "image" not in ask_options(lambda question, default: "", {"kind": "demo"})


# --- an image alone --------------------------------------------------------------------------------


def test_the_demo_has_two_vcpus_and_a_gic_and_uart_of_its_own() -> None:
    config = default_config("demo", id=5)
    assert (config.base.id, config.base.name, config.base.cpu_num) == (5, "demo", 2)
    assert config.kernel.memory_regions == (MemoryRegion(0x4000_0000, 16 << 20),)
    assert (config.kernel.kernel_path, config.kernel.entry_point) == ("axlab:demo", 0x4008_0000)
    assert [device.kind for device in config.devices.emu_devices] == ["GIC distributor", "GIC redistributor", "console"]


def test_a_flat_binary_alone_is_loaded_where_qemu_would(tmp_path: Path) -> None:
    (tmp_path / "my prog.bin").write_bytes(NOP * 4)
    config = default_config(tmp_path / "my prog.bin")
    assert (config.base.name, config.memory_bytes) == ("my-prog", 128 << 20)
    assert (plan(config).kernel, plan(config).entry) == (0x4008_0000, 0x4008_0000)


def test_an_arm64_image_alone_has_256_mb(tmp_path: Path) -> None:
    (tmp_path / "Image").write_bytes(arm64_image())
    config = default_config(str(tmp_path / "Image"))
    assert (config.base.vm_type, config.memory_bytes, config.kernel.cmdline) == (
        2,
        256 << 20,
        "console=ttyAMA0 earlycon",
    )
    assert plan(config).entry == 0x4020_0000


def test_an_elf_file_alone_is_loaded_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.elf"
    path.write_bytes(elf())
    assert default_config(path).kernel.memory_regions == (MemoryRegion(0x4000_0000, 128 << 20),)
    path.write_bytes(elf(paddr=0x8010_0000, vaddr=0x8010_0000, entry=0x8010_0000))
    assert default_config(path).kernel.memory_regions == (MemoryRegion(0x8000_0000, 18 << 20),)
    assert plan(default_config(path)).entry == 0x8010_0000
    path.write_bytes(elf(paddr=1 << 45, vaddr=1 << 45, entry=1 << 45))
    with pytest.raises(AxError, match="write a configuration with fitting memory_regions"):
        default_config(path)


@pytest.mark.parametrize(
    ("file", "name"), [("7.bin", "guest-7"), ("all.bin", "guest-all"), ("é b.bin", "é-b"), ("..bin", "guest")]
)
def test_a_name_is_made_from_the_files(tmp_path: Path, file: str, name: str) -> None:
    (tmp_path / file).write_bytes(NOP)
    assert default_config(tmp_path / file).base.name == name


def test_what_is_no_image_has_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(AxError, match="no such file"):
        default_config(tmp_path / "none.bin")


# --- axlab fetch -----------------------------------------------------------------------------------


def test_what_cannot_be_fetched_is_refused() -> None:
    with pytest.raises(AxError) as raised:
        fetch("uboot")
    assert (
        str(raised.value)
        == "'uboot' is nothing that can be fetched; did you mean u-boot?; there is u-boot, debian-kernel"
    )


def test_without_apt_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(
        AxError,
        match=r"fetching needs Debian's apt, and apt-get is not here; download the package "
        r"linux-image-cloud-arm64 \(arm64 or all\) of Debian's stable release",
    ):
        fetch("debian-kernel", tmp_path)


def test_an_installed_u_boot_is_copied_with_a_configuration(tmp_path: Path, needs: Callable[[str, str], str]) -> None:
    needs("/usr/lib/u-boot/qemu_arm64/u-boot.bin", "u-boot-qemu")
    said: list[str] = []
    image, config = fetch("u-boot", tmp_path / "new", said.append)
    assert image.read_bytes()
    checked = parse_config(config.read_text(), folder=config.parent)
    assert checked.findings == []
    assert plan(checked.require()).dtb == 0x4000_0000
    assert said[-1] == f"wrote {image} and {config}; now: axlab run {config}"


APT = """#!/bin/sh
case "$*" in
  *" update") [ ! -e "$FAIL" ] || { echo "E: no network" >&2; exit 100; } ;;
  *" depends "*) printf 'linux-image-cloud-arm64\\n  Depends: linux-image-6.1.0-1-cloud-arm64\\n' ;;
  *" download linux-image-6.1.0-1-cloud-arm64") touch k.deb ;;
  "-x "*) mkdir -p "$3/boot"; printf kernel > "$3/boot/vmlinuz-6.1.0-1-cloud-arm64" ;;
  *) exit 9 ;;
esac
"""


def test_a_kernel_comes_out_of_the_package_that_the_meta_package_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Callable[[str, str], str]
) -> None:
    needs("sh", "dash")
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (tmp_path / name).write_text(APT)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("FAIL", str(tmp_path / "fail"))
    monkeypatch.setattr(fetching, "distribution", lambda: "debian")
    image, config = fetch("debian-kernel", tmp_path / "out", lambda text: None)
    assert image.read_bytes() == b"kernel"
    assert parse_config(config.read_text()).require().kernel.kernel_path == GUESTS["debian-kernel"].saved
    (tmp_path / "fail").touch()
    with pytest.raises(AxError, match="apt-get update failed; is there a network\\?\n  E: no network"):
        fetch("debian-kernel", tmp_path / "out", lambda text: None)


def test_the_list_of_packages_is_for_arm64_and_in_folders_of_its_own(
    tmp_path: Path, needs: Callable[[str, str], str]
) -> None:
    config = needs("apt-config", "apt")
    apt = fetching.Apt(tmp_path)
    said = subprocess.run([config, *apt.options, "dump"], capture_output=True, text=True, check=True).stdout
    assert 'APT::Architecture "arm64";' in said
    assert f'Dir::State "{tmp_path}/state";' in said


# --- the reference page ----------------------------------------------------------------------------


def test_the_reference_page_is_printed_from_the_schema() -> None:
    page = Path(__file__).parent.parent / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == reference()
