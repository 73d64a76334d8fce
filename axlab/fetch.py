"""`axlab fetch`: real guests from Debian's archive, with a configuration beside them.

The packages are for arm64, whatever this machine is: apt runs with folders and an architecture of
its own, so that nothing of the system changes, and no root rights are needed.
"""

from __future__ import annotations

import gzip
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from axlab.errors import AxError, nearest
from axlab.vmm.config_new import new_config


@dataclass(frozen=True, slots=True)
class Guest:
    """Something to fetch. `inside` is the file's path in the package as a glob, `saved` its name here.

    `package` may be one that only depends on the real one, whose name begins with `real`.
    """

    about: str
    package: str
    inside: str
    saved: str
    kind: str
    real: str = ""


GUESTS = {
    "u-boot": Guest(
        "U-Boot for QEMU's virt board", "u-boot-qemu", "usr/lib/u-boot/qemu_arm64/u-boot.bin", "u-boot.bin", "u-boot"
    ),
    "debian-kernel": Guest(
        "Debian's Linux kernel for clouds",
        "linux-image-cloud-arm64",
        "boot/vmlinuz-*",
        "vmlinuz",
        "linux",
        real="linux-image-",
    ),
}
Progress = Callable[[str], None]


def fetch(what: str, folder: str | Path = ".", progress: Progress = print) -> list[Path]:
    """Download a guest into a folder; the files written: the image and its configuration. Raises `AxError`."""
    if what not in GUESTS:
        raise AxError(
            f"{what!r} is nothing that can be fetched{nearest(what, list(GUESTS))}; there is {', '.join(GUESTS)}"
        )
    guest = GUESTS[what]
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AxError(f"cannot be made: {error.strerror}", source=str(folder)) from None
    image = folder / guest.saved
    installed = Path("/") / guest.inside
    if installed.is_file():
        progress(f"copying {installed}")
        shutil.copyfile(installed, image)
    else:
        from_archive(guest, image, progress)
    config = folder / f"{what}.toml"
    config.write_text(new_config(guest.kind, name=what, image=guest.saved), encoding="utf-8")
    progress(f"wrote {image} and {config}; now: axlab run {config}")
    return [image, config]


def from_archive(guest: Guest, image: Path, progress: Progress) -> None:
    """The file out of the package, by apt."""
    require_apt(guest)
    with tempfile.TemporaryDirectory(prefix="axlab-fetch-") as scratch:
        apt = Apt(Path(scratch))
        progress("reading Debian's package lists for arm64 (some 10 MB)")
        apt.run("apt-get", "-q", "update")
        package = apt.real_name(guest)
        progress(f"downloading {package}")
        apt.run("apt-get", "-q", "download", package)
        found = apt.extract(guest.inside)
        data = found.read_bytes()
        image.write_bytes(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


def require_apt(guest: Guest) -> None:
    """Raise `AxError` where apt cannot help, with what to do by hand."""
    missing = [name for name in ("apt-get", "apt-cache", "dpkg-deb") if not shutil.which(name)]
    if missing or distribution() != "debian":
        here = f"{missing[0]} is not here" if missing else f"this is {distribution()}"
        raise AxError(
            f"fetching needs Debian's apt, and {here}; download the package {guest.package} (arm64 or all) of Debian's "
            f"stable release, unpack it and take /{guest.inside}"
        )


def distribution() -> str:
    """The system's id in /etc/os-release, such as debian; its kernel's name where there is none."""
    try:
        return platform.freedesktop_os_release().get("ID", "linux")
    except OSError:
        return platform.system()


class Apt:
    """apt with all its folders in `scratch`; only the list of archives and their keys are the system's."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        for name in ("state/lists/partial", "cache/archives/partial", "packages", "files"):
            (scratch / name).mkdir(parents=True)
        (scratch / "state/status").touch()
        settings = {
            "Dir::State": scratch / "state",
            "Dir::State::status": scratch / "state/status",
            "Dir::Cache": scratch / "cache",
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "APT::Sandbox::User": "root",  # of no effect for anybody else
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
        }
        self.options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def run(self, program: str, *arguments: str) -> str:
        """What an apt program prints. Raises `AxError` with its own words where it fails."""
        words = [program, *self.options, *arguments]
        try:
            done = subprocess.run(words, cwd=self.scratch / "packages", capture_output=True, text=True, check=False)
        except OSError as error:
            raise AxError(f"{program} cannot be run: {error.strerror}") from None
        if done.returncode:
            lines = done.stderr.splitlines()
            said = [line for line in lines if line.startswith(("E:", "W:"))] or lines
            raise AxError(f"{program} {arguments[-1]} failed; is there a network?\n  " + "\n  ".join(said[:5]))
        return done.stdout

    def real_name(self, guest: Guest) -> str:
        """The package that has the file: the one that a meta-package depends on."""
        if not guest.real:
            return guest.package
        depends = self.run("apt-cache", "depends", guest.package)
        found = re.search(rf"Depends: ({re.escape(guest.real)}\S+)", depends)
        if found is None:
            raise AxError(f"{guest.package} depends on no {guest.real}... package; is it in this Debian's archive?")
        return found[1].removesuffix(":arm64")

    def extract(self, inside: str) -> Path:
        """The file in the downloaded package."""
        package = next((self.scratch / "packages").glob("*.deb"))
        done = subprocess.run(
            ["dpkg-deb", "-x", str(package), str(self.scratch / "files")], capture_output=True, text=True, check=False
        )
        found = next((self.scratch / "files").glob(inside), None)
        if done.returncode or found is None:
            raise AxError(f"{package.name} has no {inside} {done.stderr.strip()}")
        return found
