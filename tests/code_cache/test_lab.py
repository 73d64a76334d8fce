"""Where the code cache is, and what a lab and the command line do with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from axlab import Lab, code_cache
from axlab.cli import main
from axlab.code_cache import NAME, CodeCache, cache_folder
from axlab.errors import AxError
from code_cache.files import KEY, POSIX, VALUE

# Where it is


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"HOME": "/home/ada"}, "/home/ada/.cache/axlab"),
        ("linux", {"HOME": "/home/ada", "XDG_CACHE_HOME": "/scratch"}, "/scratch/axlab"),
        ("linux", {"HOME": "/home/ada", "XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/axlab"),
        ("darwin", {"HOME": "/Users/ada"}, "/Users/ada/Library/Caches/axlab"),
        ("win32", {"LOCALAPPDATA": "/Local"}, "/Local/axlab/cache"),
        ("linux", {"HOME": "/home/ada", "AXLAB_CACHE": "/elsewhere"}, "/elsewhere"),
        ("linux", {"HOME": "/home/ada", "AXLAB_CACHE": "off"}, None),
        ("linux", {"HOME": "relative"}, None),
        ("emscripten", {"HOME": "/home/ada"}, None),
    ],
)
@POSIX
def test_where_the_cache_is(platform: str, environment: dict[str, str], folder: str | None) -> None:
    assert cache_folder(environment, platform) == (None if folder is None else Path(folder))


def test_a_cache_that_is_switched_off_is_off_without_a_word() -> None:
    with CodeCache(None) as cache:
        cache.put(KEY, VALUE)
        assert (cache.get(KEY), cache.reason, cache.warning) == (None, code_cache.NOWHERE, "")


# A lab


def boot(**settings: bool) -> tuple[Lab, str]:
    lab = Lab(**settings)
    lab.create("demo")
    assert lab.shell("vm start 0").ok
    return lab, lab.fingerprint()


def test_a_lab_finds_what_the_one_before_translated_and_does_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = boot()[1]
    monkeypatch.setenv("AXLAB_CACHE", str(folder))
    lab, cold = boot()
    assert lab.code_cache is not None
    lab.code_cache.close()
    puts: list[bytes] = []
    monkeypatch.setattr(CodeCache, "put", lambda self, key, value: puts.append(key))
    warm = boot()[1]
    assert puts == []
    assert without == cold == warm


def test_a_lab_that_asks_for_it_uses_no_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(folder))
    lab, _ = boot(code_cache=False)
    assert lab.code_cache is None and not folder.exists()
    with pytest.raises(AxError, match="^code_cache = 'no' is wrong: true or false is wanted$"):
        Lab(code_cache="no")


@POSIX
@pytest.mark.parametrize("words", [["run", "demo"], ["shell", "-c", "vm list", "--lab", "."]])
def test_the_command_line_says_once_why_code_is_not_kept(
    filled: Path, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(filled))
    filled.chmod(0o777)
    assert main(words) == 0
    assert capsys.readouterr().err == (
        f"axlab: translated code is not kept: {filled} can be written by others (mode 0777)\n"
    )


# The command line


def test_axlab_cache_shows_and_clears(
    filled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AXLAB_CACHE", str(filled))
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out == f"{filled / NAME}: 1 entry, 12KB\n"
    assert main(["cache", "clear"]) == 0
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out.startswith(f"{filled / NAME}: 0 entries, ")


def test_axlab_cache_says_why_it_is_off(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AXLAB_CACHE", "off")
    assert main(["cache", "show"]) == 0
    assert capsys.readouterr().out == f"The code cache is off: {code_cache.NOWHERE}.\n"
    assert main(["cache", "clear"]) == 2
    assert capsys.readouterr().err == f"axlab: the code cache was left as it is: {code_cache.NOWHERE}\n"
