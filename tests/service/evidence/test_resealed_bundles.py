"""Bundles that somebody who knows how they are made has changed and sealed anew: the log and the hashes tell."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from activity.errors import OutputError
from activity.service.evidence import verify_bundle
from activity.service.evidence.bundle import Source, write_bundle
from activity.service.evidence.manifest import (
    AUDIT_LOG,
    AuditFacts,
    ClipFacts,
    Manifest,
    MemberEntry,
)
from tests.service.evidence.bundles import (
    ACTIONS,
    BEFORE,
    audit_log,
    broken,
    make_bundle,
    sha256,
)


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
