"""The on-disk code cache is private: what others could have written is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from axlab.code_cache import NAME, CodeCache
from axlab.errors import AxError
from code_cache.files import KEY, POSIX, VALUE


@pytest.fixture
def any_umask() -> Iterator[None]:
    old = os.umask(0)
    yield
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@POSIX
def test_the_folder_and_its_files_are_private_whatever_the_umask(any_umask: None, folder: Path) -> None:
    with CodeCache(folder) as cache:
        cache.put(KEY, VALUE)
        cache.flush()
        assert [mode(place) for place in (folder, folder.parent, folder.parent.parent)] == [0o700] * 3
        assert {path.name: mode(path) for path in folder.iterdir()} == {
            NAME + side: 0o600 for side in ("", "-wal", "-shm")
        }


def refused(folder: Path, reason: str) -> None:
    """A cache is off for this reason, says so once, and does nothing."""
    cache = CodeCache(folder)
    cache.put(KEY, b"planted")
    assert cache.get(KEY) is None
    assert cache.reason == reason
    assert cache.warning == f"translated code is not kept: {reason}"
    with pytest.raises(AxError, match="^the code cache was left as it is: "):
        cache.clear()
    cache.close()


@POSIX
@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_refused(filled: Path, bits: int) -> None:
    filled.chmod(bits)
    refused(filled, f"{filled} can be written by others (mode {bits:04o})")


@POSIX
@pytest.mark.parametrize("side", ["", "-wal", "-journal"])
@pytest.mark.parametrize("bits", [0o660, 0o602])
def test_a_file_that_others_can_write_is_refused(filled: Path, side: str, bits: int) -> None:
    path = filled / (NAME + side)
    path.touch()
    path.chmod(bits)
    refused(filled, f"{path} can be written by others (mode {bits:04o})")


@POSIX
@pytest.mark.parametrize("name", ["", NAME])
def test_what_belongs_to_someone_else_is_refused(filled: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = filled / name
    real = os.lstat

    def lstat(path: str | Path) -> os.stat_result:
        values = list(real(path))
        if Path(path) == foreign:
            values[4] = os.geteuid() + 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "lstat", lstat)
    refused(filled, f"{foreign} belongs to someone else (user {os.geteuid() + 1})")


@POSIX
def test_a_folder_that_is_a_symbolic_link_is_refused(filled: Path) -> None:
    link = filled.with_name("link")
    link.symlink_to(filled)
    refused(link, f"{link} is a symbolic link")


@POSIX
@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_file_that_is_a_symbolic_link_is_refused(filled: Path, tmp_path: Path, target: str) -> None:
    (filled / NAME).rename(tmp_path / "elsewhere")
    (filled / NAME).symlink_to(tmp_path / target)
    refused(filled, f"{filled / NAME} is a symbolic link")
    assert not (tmp_path / "nowhere").exists()


@POSIX
def test_a_parent_in_which_everybody_can_exchange_the_folder_is_refused(filled: Path) -> None:
    filled.parent.chmod(0o777)
    refused(filled, f"{filled.parent} can be written by everybody (mode 0777)")
    filled.parent.chmod(0o1777)
    with CodeCache(filled) as cache:
        assert cache.get(KEY) == VALUE


def test_a_file_where_the_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "axlab").write_text("")
    refused(tmp_path / "axlab", f"{tmp_path / 'axlab'} is no folder")
    cache = CodeCache(tmp_path / "axlab" / "below")
    assert cache.reason == f"{tmp_path / 'axlab' / 'below'}: not a directory"


def test_a_folder_where_the_file_should_be_is_refused(folder: Path) -> None:
    (folder / NAME).mkdir(parents=True)
    folder.chmod(0o700)
    refused(folder, f"{folder / NAME} is no regular file")
