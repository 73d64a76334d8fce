"""A run is a function of its configuration and images: the same on every Python found, however it is made and seen."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from ring_guest import ring

from axlab.lab import Lab
from axlab.run import made_lab
from axlab.vmm.config import VmConfig, default_config, parse_config
from axlab.vmm.config_new import new_config

U_BOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"
ROOT = Path(__file__).parent.parent
PLACES = ("/usr/bin/python3.*", "/usr/local/bin/python3.*", "~/.pyenv/versions/*/bin/python3.*")
VERSION = "import sys; print(sys.implementation.name, *sys.version_info[:3])"
NEEDED = ("lark", "elftools")  # all that a run needs beside the standard library; both are pure Python

Image = Callable[[str], VmConfig]


@pytest.fixture(scope="session")
def configuration(needs: Callable[[str, str], str]) -> Image:
    """A function: demo, ring (of four vCPUs) or u-boot -> its configuration."""

    def of(guest: str) -> VmConfig:
        if guest == "u-boot":
            text = new_config("u-boot", name="u-boot", image=needs(U_BOOT, "u-boot-qemu"))
            return parse_config(text, "u-boot.toml").require()
        return ring(rounds=20) if guest == "ring" else default_config("demo")

    return of


def fingerprint(
    config: VmConfig, limit: str, level: str = "events", watched: bool = False, cuts: int = 1, translates: bool = True
) -> str:
    """The fingerprint of a run as `axlab run` makes it: recorded, watched by others, and cut into portions."""
    lab = made_lab([config])
    lab.trace.record(level)
    if watched:
        lab.events.add(lambda event: None)
    vm = lab.create(config)
    for vcpu in vm.vcpus:
        vcpu.cpu.translates = translates
    lab.hypervisor.start(vm)
    for _ in range(cuts):
        lab.run(limit)
        if watched:
            lab.trace.spans(), lab.shell("vm list"), lab.shell("vm exits 0")
    return lab.fingerprint()


GUESTS = [("demo", "10ms"), ("ring", "10ms"), ("u-boot", "20ms")]


@pytest.mark.parametrize(("guest", "limit"), GUESTS)
def test_a_run_is_the_same_at_every_level_of_recording_and_for_every_observer(
    guest: str, limit: str, configuration: Image
) -> None:
    config = configuration(guest)
    plain = fingerprint(config, limit)
    for level in ("off", "blocks", "instructions", "memory"):
        if level != "memory" or guest != "u-boot":  # which is stepped
            assert fingerprint(config, limit, level) == plain, level
    assert fingerprint(config, limit, watched=True) == plain


@pytest.mark.parametrize(("guest", "limit"), GUESTS)
def test_a_run_is_the_same_translated_and_stepped(guest: str, limit: str, configuration: Image) -> None:
    config = configuration(guest)
    assert fingerprint(config, limit, translates=False) == fingerprint(config, limit)


@pytest.mark.parametrize(("guest", "portion"), [("demo", "1ms"), ("ring", "1ms"), ("u-boot", "2ms")])
def test_a_run_is_the_same_in_portions(guest: str, portion: str, configuration: Image) -> None:
    config = configuration(guest)
    whole = "20ms" if guest == "u-boot" else "10ms"
    assert fingerprint(config, portion, cuts=10) == fingerprint(config, whole)


# --- other Pythons ---------------------------------------------------------------------------------


def pythons() -> dict[str, str]:
    """Every CPython of at least 3.11 that is found: its version, and where it is; this one first."""
    found: dict[str, str] = {}
    places = [sys.executable, *(name for place in PLACES for name in sorted(glob.glob(os.path.expanduser(place))))]
    for place in places:
        if place != sys.executable and not re.fullmatch(r"python3\.\d+", Path(place).name):
            continue
        told = subprocess.run([place, "-c", VERSION], capture_output=True, text=True).stdout.split()
        if told[:1] == ["cpython"] and tuple(map(int, told[1:3])) >= (3, 11):
            found.setdefault(os.path.realpath(place), ".".join(told[1:]))
    return {f"{version} {place}": place for place, version in found.items()}


def libraries(folder: Path) -> Path:
    """A folder with the packages that a run needs, and with none that was compiled for one Python."""
    for name in NEEDED:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        if not (folder / name).exists():
            (folder / name).symlink_to(Path(spec.origin).parent)
    return folder


def printed_last(python: str, words: list[str], libraries: Path, seed: str) -> str:
    """The last line on standard error of `axlab run`, by another Python, with another seed of hashes."""
    path = os.pathsep.join([str(ROOT), str(libraries)])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": seed, "AXLAB_CACHE": "off"}
    done = subprocess.run([python, "-m", "axlab", "run", *words, "--fingerprint"], env=environment, cwd=libraries,
                          capture_output=True, text=True)  # fmt: skip
    return done.stderr.splitlines()[-1] if done.stderr else f"exit status {done.returncode}"


def test_axlab_run_prints_the_same_fingerprint_last_on_every_python(configuration: Image, tmp_path: Path) -> None:
    """Of two VMs at once, the demo and a ring of four vCPUs."""
    configs = [configuration("ring"), default_config("demo", id=1)]
    for config in configs:
        (tmp_path / f"{config.base.name}.toml").write_text(config.to_toml(), encoding="utf-8")
    lab = made_lab(configs)
    for vm in [lab.create(config) for config in configs]:
        lab.hypervisor.start(vm)
    lab.run("10ms")
    assert {str(vm.state) for vm in lab.hypervisor.vms} == {"Stopped"}
    found = pythons()
    assert any(place == os.path.realpath(sys.executable) for place in found.values())
    here = libraries(tmp_path)
    for seed, (version, python) in enumerate(found.items()):
        assert printed_last(python, ["ring.toml", "demo.toml"], here, str(seed)) == lab.fingerprint(), version


@pytest.mark.slow
def test_u_boot_is_the_same_on_every_python(configuration: Image, tmp_path: Path) -> None:
    (tmp_path / "u-boot.toml").write_text(configuration("u-boot").to_toml(), encoding="utf-8")
    here = libraries(tmp_path)
    wanted = fingerprint(configuration("u-boot"), "400ms")
    for seed, (version, python) in enumerate(pythons().items()):
        assert printed_last(python, ["u-boot.toml", "--for", "400ms"], here, str(seed)) == wanted, version


def test_a_lab_with_another_setting_runs_differently(configuration: Image) -> None:
    """The fingerprint can tell: it is no constant."""
    lab = Lab(ns_per_instruction=50)
    lab.hypervisor.start(lab.create(configuration("ring")))
    lab.run("10ms")
    assert lab.fingerprint() != fingerprint(configuration("ring"), "10ms")
