"""Bundles: the same facts give the same file, any zip program opens it, and no byte can be changed unnoticed."""

from __future__ import annotations

import hashlib
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activity.errors import OutputError
from activity.service.audit_chain import content_hash, link_hash
from activity.service.evidence import Verification, container, verify_bundle
from activity.service.evidence.audit_excerpt import full_line, hashed_line
from activity.service.evidence.bundle import Source, write_bundle
from activity.service.evidence.manifest import (
    AUDIT_LOG,
    MANIFEST,
    AuditFacts,
    ClipFacts,
    Manifest,
    MemberEntry,
    MissingEntry,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIP = b"\x00\x01video" * 30
BEFORE = "5" * 64

Actions = Sequence[tuple[str, str, dict[str, Any]] | None]


def audit_log(actions: Actions, *, first: int = 7) -> tuple[bytes, str, dict[int, str]]:
    """Lines, head and hashes by sequence; `None` stands for an entry of another incident."""
    lines, head, hashes = b"", BEFORE, {}
    for sequence, action in enumerate(actions, start=first):
        said = action or ("key.add", "key:secret", {})
        fields: dict[str, Any] = {
            "sequence": sequence,
            "at": NOON + timedelta(seconds=sequence),
            "actor": "key:ann",
            "action": said[0],
            "subject": said[1],
            "detail": said[2],
        }
        content = content_hash(**fields)
        head = hashes[sequence] = link_hash(head, content)
        if action is None:
            lines += hashed_line(sequence=sequence, entry_hash=head, content=content)
        else:
            lines += full_line(entry_hash=head, **fields)
    return lines, head, hashes


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ACTIONS: Actions = (
    ("clip.upload", "clip:c1", {"sha256": sha256(CLIP)}),
    None,
    ("incident.review", "incident:i1", {"decision": "confirmed", "note": "größer"}),
    None,
    ("incident.export", "incident:i1", {}),
)


def make_bundle(
    path: Path, *, actions: Actions = ACTIONS, log: bytes | None = None, clip: bytes = CLIP, **facts: Any
) -> Path:
    lines, head, _ = audit_log(actions)
    sources = [
        Source.of_bytes("clip/original.mp4", clip),
        Source.of_bytes("report/report.json", b'{"schema_version": 1}\n'),
        Source.of_bytes("empty.json", b""),
        Source.of_bytes(AUDIT_LOG, lines if log is None else log),
    ]

    def manifest(members: tuple[MemberEntry, ...]) -> Manifest:
        content: dict[str, Any] = {
            "generator": "activity 1",
            "incident": {"id": "i1", "score": 0.93, "label": "Fighting"},
            "clip": ClipFacts(
                id="c1",
                original_name="tür.mp4",
                sha256=sha256(CLIP),
                size_bytes=len(CLIP),
                member="clip/original.mp4",
            ),
            "exported_at": "2026-03-01T12:00:11+00:00",
            "exported_by": "key:ann",
            "audit": AuditFacts(
                previous_hash=BEFORE, first_sequence=7, last_sequence=6 + len(actions), head=head
            ),
            "missing": (MissingEntry(name="report/annotated.mp4", reason="its time is over"),),
            "members": members,
        }
        return Manifest(**(content | facts))

    with path.open("wb") as target:
        write_bundle(target, sources, manifest)
    return path


def broken(path: Path, **options: Any) -> tuple[str, str]:
    found = verify_bundle(path, **options)
    assert not found.valid
    assert found.broken is not None
    assert found.broken.found
    return found.broken.part, found.broken.name


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


# What follows is sealed anew by somebody who knows how bundles are made.


def test_a_forged_log_breaks_at_the_first_changed_entry(tmp_path: Path) -> None:
    lines, _, _ = audit_log(ACTIONS)
    forged = lines.replace(b'"decision":"confirmed"', b'"decision":"dismissed"')
    assert forged != lines
    assert broken(make_bundle(tmp_path / "a.zip", log=forged)) == ("audit", "entry 9")


@pytest.mark.parametrize("number", range(5))
def test_an_entry_cannot_be_taken_out_of_the_log(tmp_path: Path, number: int) -> None:
    lines = audit_log(ACTIONS)[0].splitlines(keepends=True)
    del lines[number]
    part, name = broken(make_bundle(tmp_path / "a.zip", log=b"".join(lines)))
    assert part == "audit"
    assert (
        name == f"entry {7 + number if number < 4 else 10}"
    )  # without its last entry, the log ends too early


def test_the_hash_of_another_incidents_entry_counts_too(tmp_path: Path) -> None:
    lines = audit_log(ACTIONS)[0].splitlines(keepends=True)
    entry = json.loads(lines[1])
    entry["content_hash"] = "0" * 64
    lines[1] = json.dumps(entry).encode() + b"\n"
    assert broken(make_bundle(tmp_path / "a.zip", log=b"".join(lines))) == ("audit", "entry 8")


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b'{"sequence":7}\n',
        b"[" * 100_000 + b"\n",
        b'{"action":"a","actor":"b","at":"yesterday","detail":{},"hash":"'
        + b"0" * 64
        + b'","sequence":7,"subject":""}\n',
        b'{"action":"a","actor":"b","at":"0001-01-01T00:00:00+23:00","detail":{},"hash":"'
        + b"0" * 64
        + b'","sequence":7,"subject":""}\n',
        b'{"action":"a","actor":"b","at":"2026-01-01T00:00:00+00:00","detail":{"x":NaN},"hash":"'
        + b"0" * 64
        + b'","sequence":7,"subject":""}\n',
        b'{"action":"\\ud800","actor":"b","at":"2026-01-01T00:00:00+00:00","detail":{},"hash":"'
        + b"0" * 64
        + b'","sequence":7,"subject":""}\n',
    ],
)
def test_a_log_of_something_else_is_named_and_does_no_harm(tmp_path: Path, line: bytes) -> None:
    assert broken(make_bundle(tmp_path / "a.zip", log=line)) == ("audit", "entry 7")


def test_another_clip_contradicts_the_manifest_or_the_log(tmp_path: Path) -> None:
    other = b"another clip"
    assert broken(make_bundle(tmp_path / "a.zip", clip=other)) == ("clip", "clip/original.mp4")
    facts = ClipFacts(
        id="c1",
        original_name="x",
        sha256=sha256(other),
        size_bytes=len(other),
        member="clip/original.mp4",
    )
    path = make_bundle_of(tmp_path / "b.zip", other, facts)
    assert broken(path) == ("clip", "clip/original.mp4")


def make_bundle_of(path: Path, clip: bytes, facts: ClipFacts) -> Path:
    """A bundle whose manifest fits another clip, so that only the log knows better."""
    lines, head, _ = audit_log(ACTIONS)

    def manifest(members: tuple[MemberEntry, ...]) -> Manifest:
        return Manifest(
            generator="activity 1",
            incident={"id": "i1"},
            clip=facts,
            exported_at="",
            exported_by="",
            audit=AuditFacts(previous_hash=BEFORE, first_sequence=7, last_sequence=11, head=head),
            missing=(),
            members=members,
        )

    with path.open("wb") as target:
        write_bundle(
            target,
            [Source.of_bytes("clip/original.mp4", clip), Source.of_bytes(AUDIT_LOG, lines)],
            manifest,
        )
    return path


def test_a_bundle_without_its_export_in_the_log_is_refused(tmp_path: Path) -> None:
    assert broken(make_bundle(tmp_path / "a.zip", actions=ACTIONS[:4])) == ("audit", "entry 10")


def test_a_log_made_up_from_the_start_is_told_only_by_what_others_noted(tmp_path: Path) -> None:
    """The limit of a chain without a signature, and the way around it."""
    _, _, noted = audit_log(ACTIONS)
    forged = list(ACTIONS)
    forged[2] = ("incident.review", "incident:i1", {"decision": "dismissed"})
    path = make_bundle(tmp_path / "a.zip", actions=forged)
    assert verify_bundle(path).valid
    assert broken(path, anchors={10: noted[10]}) == ("expectation", "entry 10")
    assert verify_bundle(path, anchors={8: noted[8]}).valid  # before the forged entry nothing differs
    assert broken(path, anchors={99: "0" * 64}) == ("expectation", "entry 99")
    whole = sha256(make_bundle(tmp_path / "b.zip").read_bytes())
    assert broken(path, sha256=whole) == ("expectation", "sha256")
    assert verify_bundle(tmp_path / "b.zip", sha256=whole.upper(), anchors=noted).valid


def test_a_member_that_changes_while_it_is_read_stops_the_export(tmp_path: Path) -> None:
    contents = iter((b"before", b"after!"))
    source = Source("clip/original.mp4", lambda: io.BytesIO(next(contents)))
    with (tmp_path / "a.zip").open("wb") as target, pytest.raises(OutputError, match="changed while"):
        write_bundle(
            target,
            [source],
            lambda members: Manifest(
                generator="",
                incident={},
                clip=ClipFacts(id="", original_name="", sha256="0" * 64, size_bytes=0, member=None),
                exported_at="",
                exported_by="",
                audit=AuditFacts(previous_hash=BEFORE, first_sequence=1, last_sequence=1, head=BEFORE),
                missing=(),
                members=members,
            ),
        )
