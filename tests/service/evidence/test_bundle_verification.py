"""Bundles: the same facts give the same file, any zip program opens it, and no byte can be changed unnoticed."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.errors import OutputError
from activity.service.evidence import Verification, container, verify_bundle
from activity.service.evidence.manifest import (
    AUDIT_LOG,
    MANIFEST,
    MemberEntry,
)
from tests.service.evidence.bundles import (
    CLIP,
    broken,
    make_bundle,
    sha256,
)


def regions(path: Path) -> list[tuple[int, int, str]]:
    """Begin, end and owner of every byte, by Python's own reader of zip files."""
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        start = archive.start_dir
    found = []
    record = start
    for info, following in zip(infos, [*(i.header_offset for i in infos[1:]), start], strict=True):
        found.append((info.header_offset, following, info.filename))
        length = 46 + len(info.filename) + len(info.extra)
        found.append((record, record + length, info.filename))
        record += length
    found.append((record, len(content), "end of the file"))
    return sorted(found)


def test_an_untouched_bundle_is_accepted(tmp_path: Path) -> None:
    found = verify_bundle(make_bundle(tmp_path / "a.zip"))
    assert found == Verification(
        sha256=sha256((tmp_path / "a.zip").read_bytes()),
        manifest=found.manifest,
        audit_entries=5,
        broken=None,
    )
    assert found.manifest is not None
    assert found.manifest.incident["id"] == "i1"


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = make_bundle(tmp_path / "a.zip"), make_bundle(tmp_path / "b.zip")
    assert one.read_bytes() == two.read_bytes()


def test_any_zip_program_opens_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(make_bundle(tmp_path / "a.zip")) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == [MANIFEST, "clip/original.mp4", "report/report.json", "empty.json", AUDIT_LOG]
        assert archive.read("clip/original.mp4") == CLIP
        assert archive.read("empty.json") == b""
        manifest = json.loads(archive.read(MANIFEST))
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert [member["name"] for member in manifest["members"]] == names[1:]
    assert b"key:secret" not in (tmp_path / "a.zip").read_bytes()


def test_a_bundle_above_four_gibibytes_uses_wide_fields(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code with the bound set low, read by Python's own reader."""
    monkeypatch.setattr(container, "_ZIP64_FROM", 200)
    path = make_bundle(tmp_path / "a.zip")
    monkeypatch.undo()
    content = path.read_bytes()
    # a field of 32 bits holds the bound itself as the sign to look further; write the true sign there
    content = content.replace((200).to_bytes(4, "little"), b"\xff\xff\xff\xff")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.read("clip/original.mp4") == CLIP
        assert archive.read("empty.json") == b""


def test_every_one_of_100_random_changes_is_named(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "a.zip")
    whole, owners = path.read_bytes(), regions(path)
    chance = random.Random(1)
    for position in chance.sample(range(len(whole)), 100):
        changed = bytearray(whole)
        changed[position] ^= chance.randrange(1, 256)
        path.write_bytes(changed)
        (owner,) = [name for begin, end, name in owners if begin <= position < end]
        assert broken(path)[1] == owner, position


def test_every_byte_outside_the_members_counts(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "a.zip")
    whole, owners = path.read_bytes(), regions(path)
    with zipfile.ZipFile(path) as archive:
        inside = [
            range(
                i.header_offset + 30 + len(i.filename), i.header_offset + 30 + len(i.filename) + i.file_size
            )
            for i in archive.infolist()
        ]
    positions = [p for p in range(len(whole)) if not any(p in member for member in inside)]
    assert len(positions) > 400
    for position in positions:
        changed = bytearray(whole)
        changed[position] ^= 0x01
        path.write_bytes(changed)
        (owner,) = [name for begin, end, name in owners if begin <= position < end]
        assert broken(path)[1] == owner, position


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 10_000), insert=st.binary(min_size=1, max_size=40), take=st.integers(0, 60))
def test_bytes_can_be_neither_added_nor_taken(
    tmp_path_factory: pytest.TempPathFactory, cut: int, insert: bytes, take: int
) -> None:
    path = make_bundle(tmp_path_factory.mktemp("bundle") / "a.zip")
    whole = path.read_bytes()
    cut %= len(whole) + 1
    changed = whole[:cut] + insert + whole[cut + take :]
    path.write_bytes(changed)
    assert verify_bundle(path).valid is (changed == whole)


def edited(path: Path, change: Callable[[zipfile.ZipFile, zipfile.ZipFile], None]) -> Path:
    """The bundle as another zip program writes it after `change`."""
    target = path.with_name("edited.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        change(old, new)
    return target


def test_a_bundle_that_was_packed_anew_is_refused(tmp_path: Path) -> None:
    def copy(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))

    assert broken(edited(make_bundle(tmp_path / "a.zip"), copy)) == ("container", MANIFEST)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_member_of_the_same_name_is_found(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("clip/original.mp4", b"another clip")
    assert broken(path) == ("container", MANIFEST)  # where the directory ought to begin, its first record


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    def bomb(old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
        for info in old.infolist():
            new.writestr(info, old.read(info))
        new.writestr("bomb", b"\0" * 50_000_000, zipfile.ZIP_DEFLATED)

    path = edited(make_bundle(tmp_path / "a.zip"), bomb)
    assert path.stat().st_size < 100_000
    assert broken(path)[0] == "container"


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a//b", "A.txt", "a\\b", ".hidden", ""])
def test_a_member_cannot_have_a_name_that_leaves_the_folder(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        MemberEntry(name=name, size_bytes=0, sha256="0" * 64)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "manifest"),
        (b"PK\3\4", "manifest"),
        (b"hello" * 100, "manifest"),
        (b"PK\5\6" + bytes(18), "manifest"),
    ],
)
def test_what_is_no_bundle_is_named_so(tmp_path: Path, content: bytes, part: str) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert broken(tmp_path / "a.zip") == (part, MANIFEST)
    with pytest.raises(OutputError, match=r"nowhere\.zip"):
        verify_bundle(tmp_path / "nowhere.zip")


def test_a_claim_of_a_huge_manifest_is_not_believed(tmp_path: Path) -> None:
    path = make_bundle(tmp_path / "a.zip")
    whole = bytearray(path.read_bytes())
    whole[22:26] = b"\xf0\xff\xff\x7f"
    path.write_bytes(whole)
    found = verify_bundle(path)
    assert found.broken is not None
    assert "claims" in found.broken.found
