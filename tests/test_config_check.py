"""What a check tells of a file that cannot be a VM: severity, place, form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from guest_files import GOOD, changed, findings, with_keys

from axlab.errors import AxError
from axlab.vmm.config import ConfigError, Finding, Host, parse_config, read_config
from axlab.vmm.config_check import check, check_config
from axlab.vmm.config_positions import positions

# --- check warns where create refuses --------------------------------------------------------------

DEPENDS = {
    "RAM on RAM": changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x40ff_f000, 0x2000, 0x7, 0],"),
    "an entry outside RAM": changed("entry_point = 0x4008_0000", "entry_point = 0x5000_0000"),
    "an entry in RAM without X": changed("0x7, 0]", "0x3, 0]"),
    "MapIdentical outside the host's RAM": changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x1000_0000, 0x1000, 0x7, 1],"),
    "more RAM than the host has": changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x1_0000_0000, 0x3_0000_0000, 0x7, 0],"),
    "a device on RAM": changed("emu_devices = []", 'emu_devices = [["uart", 0x4000_0000, 0x1000, 33, 2, []]]'),
    "a device on a device": changed(
        "emu_devices = []", 'emu_devices = [["a", 0x1000, 0x1000, 33, 2, []], ["b", 0x1000, 0x1000, 34, 2, []]]'
    ),
    "a mask without a physical CPU": with_keys("base", "phys_cpu_sets = [0x1, 0x100]"),
    "a tree that is not aligned": with_keys("kernel", "dtb_load_addr = 0x4000_0001"),
}


@pytest.mark.parametrize("case", DEPENDS)
def test_what_depends_on_the_machine_is_a_warning_for_check_and_a_refusal_for_create(case: str) -> None:
    warned = parse_config(DEPENDS[case], purpose="check")
    refused = parse_config(DEPENDS[case], purpose="create")
    assert {found.severity for found in warned.findings} == {"warning"}
    assert {found.severity for found in refused.findings} == {"error"}
    assert warned.config is not None
    assert refused.config is None
    assert [found.message for found in warned.findings] == [found.message for found in refused.findings]


def test_a_smaller_host_refuses_more() -> None:
    text = changed("0x7, 0], # 16 MB", "0x7, 0],\n  [0x8000_0000, 0x4000_0000, 0x7, 1],")
    assert findings(text) == []
    assert findings(text, host=Host(ram_size=1 << 30)) == [
        "guest.toml:14: kernel.memory_regions[1]: 0x80000000-0xc0000000 is MapIdentical, but the host's RAM is "
        "0x40000000-0x80000000; write map_type 0 (MapAlloc), or addresses inside"
    ]


def test_a_gic_version_that_is_not_the_boards_is_refused_under_passthrough() -> None:
    assert findings(GOOD, host=Host(gic_version=2)) == [
        "guest.toml: axlab.gic_version: 3 is not the board's GICv2, which passthrough gives the guest; write 2"
    ]
    assert findings(changed('"passthrough"', '"emulated"'), host=Host(gic_version=2)) == []


# --- syntax ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[base\nid = 1\n",
            "guest.toml:1: column 6: Expected ']' at the end of a table declaration\n  [base\n       ^",
        ),
        ("[base]\n\tid = = 1\n", "guest.toml:2: column 7: Invalid value\n  \tid = = 1\n  \t     ^"),
        ("[base]\nx = [1,\n", "guest.toml:2: end of the file: Invalid value\n  x = [1,\n         ^"),
        ("id = 1\nid = 2\n", "guest.toml:2: column 7: Cannot overwrite a value\n  id = 2\n        ^"),
    ],
)
def test_a_syntax_error_is_shown_at_its_column(text: str, said: str) -> None:
    assert findings(text) == [said]


def test_brackets_without_end_are_no_crash() -> None:
    assert findings("x = " + "[" * 100_000) == ["guest.toml: brackets are nested too deeply"]


def test_a_number_without_end_is_no_crash() -> None:
    assert len(findings("x = " + "9" * 5000)) == 1
    assert findings(changed("id = 1", "id = 0x" + "f" * 4000)) == [
        "guest.toml:2: base.id: a number of 16000 bits is out of range; right is 0 to 255"
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[base]\nname = "\xff"\n', ":2: byte 0xff is no UTF-8 text; a VM configuration is a TOML file in UTF-8"),
        (b"#" * (2 << 20), ": is larger than 1 MB: that is no VM configuration; is it the image?"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "guest.toml"
    path.write_bytes(content)
    with pytest.raises(AxError) as raised:
        read_config(path)
    assert str(raised.value) == f"{path}{said}"


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(AxError, match="cannot be read: no such file"):
        read_config(tmp_path / "none.toml")
    with pytest.raises(AxError, match="is a directory; name the TOML file in it"):
        read_config(tmp_path)


# --- lines -----------------------------------------------------------------------------------------


def test_the_scanner_knows_dotted_quoted_and_inline_keys_and_elements_over_several_lines() -> None:
    text = """\
# [not.a.table]
a.b = 1
"q x".'y' = 2 # c = 3
[t]
s = \"\"\"
x = 1
[u]
\"\"\"
rows = [ # comment ]
  [1, 2],

  [ 3,
    4 ],
]
in = { p = 1, q = { r = [ 1,
  2 ] } }
[t.sub."dotted.key"]
z = 'a # b'
[[many]]
k = 1
[[many]]
k = 2
[many.deep]
d = 1.5e3
"""
    lines = positions(text)
    assert lines[("a", "b")] == 2
    assert lines[("q x", "y")] == 3
    assert lines[("t", "rows")] == 9
    assert [lines[("t", "rows", *at)] for at in [(0,), (1,), (1, 0), (1, 1)]] == [10, 12, 12, 13]
    assert lines[("t", "in", "q", "r", 1)] == 16
    assert lines[("t", "sub", "dotted.key", "z")] == 18
    assert [lines[("many", 0, "k")], lines[("many", 1, "k")], lines[("many", 1, "deep", "d")]] == [20, 22, 24]
    assert ("x",) not in lines


def test_a_finding_in_a_later_element_has_that_elements_line() -> None:
    text = changed(
        "  [0x4000_0000, 0x100_0000, 0x7, 0], # 16 MB\n",
        "  [0x4000_0000, 0x100_0000, 0x7, 0],\n\n  [0x8000_0000,\n   0x1001, 0x7, 0],\n",
    )
    assert findings(text) == [
        "guest.toml:15: kernel.memory_regions[1]: size 0x1001 is no multiple of 0x1000 (4 KiB); "
        "the next larger one is 0x2000"
    ]


# --- errors and check ------------------------------------------------------------------------------


def test_a_wrong_form_does_not_hide_a_wrong_meaning() -> None:
    text = (
        changed("vm_type = 1\n", "")
        .replace("cpu_num = 2", 'cpu_num = "two"')
        .replace("entry_point = 0x4", "entry_point = 0x5")
    )
    text = text.replace("0x7, 0], # 16 MB", "0x7, 0],\n  [0x4000_0000, 0x1001, 0x7, 0],").replace('"guest"', '"../x"')
    assert [line.split(" ")[:2] for line in findings(text)] == [
        ["guest.toml:1:", "base:"],
        ["guest.toml:3:", "base.name:"],
        ["guest.toml:4:", "base.cpu_num:"],
        ["guest.toml:8:", "kernel.entry_point:"],
        ["guest.toml:13:", "kernel.memory_regions[1]:"],
        ["guest.toml:13:", "kernel.memory_regions[1]:"],
    ]


def test_a_config_error_carries_all_findings_and_says_the_errors() -> None:
    with pytest.raises(ConfigError) as raised:
        parse_config(with_keys("base", "foo = 1").replace("cpu_num = 2", "cpu_num = 0"), "guest.toml").require()
    assert str(raised.value) == "guest.toml:6: base.cpu_num: 0 is out of range; right is 1 to 64"
    assert [found.severity for found in raised.value.findings] == ["warning", "error"]


def test_a_host_has_the_last_word_on_a_configuration_that_was_read_for_another() -> None:
    config = parse_config(with_keys("base", "phys_cpu_sets = [0x1, 0x10]"), "guest.toml").require()
    assert check_config(config, Host()) == []
    assert [str(found) for found in check_config(config, Host(cpus=4))] == [
        "guest.toml:2: base.phys_cpu_sets[1]: mask 0x10 names none of the host's 4 physical CPUs; right is a bit of 0xf"
    ]


def test_findings_have_a_json_form() -> None:
    found = parse_config(changed("id = 1", "id = 256"), "guest.toml").findings[0]
    assert json.loads(json.dumps(found.as_dict())) == {
        "file": "guest.toml",
        "key": "base.id",
        "line": 2,
        "severity": "error",
        "message": "256 is out of range; right is 0 to 255",
    }


def test_check_reads_several_files_and_looks_at_images_only_when_asked(tmp_path: Path) -> None:
    good, bad, none = tmp_path / "good.toml", tmp_path / "bad.toml", tmp_path / "none.toml"
    good.write_text(GOOD)
    bad.write_text(changed("id = 1", "id = 256"))
    assert [(f.file, f.line) for f in check([good, bad, none])] == [(str(bad), 2), (str(none), 0)]
    assert check([good], images=True) == [
        Finding(str(good), "kernel.kernel_path", 10, "error", f"{tmp_path / 'kernel.bin'} no such file")
    ]
    (tmp_path / "kernel.bin").write_bytes(b"\x1f\x20\x03\xd5" * 16)
    assert check([good], images=True) == []


def test_with_images_nothing_is_said_twice_and_a_warning_stays_one(tmp_path: Path) -> None:
    (tmp_path / "kernel.bin").write_bytes(b"\x1f\x20\x03\xd5" * 16)
    path = tmp_path / "guest.toml"
    path.write_text(DEPENDS["an entry outside RAM"])
    assert [(f.key, f.severity) for f in check([path], images=True)] == [("kernel.entry_point", "warning")]
