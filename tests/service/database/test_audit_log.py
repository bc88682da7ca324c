"""The audit log of the service: one hash chain, whoever writes at once and whatever stands in an entry."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activity.service.audit_chain import FIRST_HASH, entry_hash
from activity.service.database import (
    Database,
)
from activity.service.database.repository.audit import append_audit, audit_entries

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_the_audit_log_chains_every_entry_to_the_one_before(database: Database) -> None:
    with database.write() as session:
        append_audit(
            session,
            actor="key:ann",
            action="clip.upload",
            subject="clip:1",
            detail={"size": 1e23, "t": (1, 2)},
        )
        append_audit(session, actor="system", action="clip.delete", subject="clip:1", detail={"ä": None})

    with database.read() as session:
        first, second = audit_entries(session)
        assert (first.sequence, second.sequence) == (1, 2)
        assert first.previous_hash == FIRST_HASH
        assert second.previous_hash == first.hash
        for entry in (first, second):
            assert entry.hash == entry_hash(
                sequence=entry.sequence,
                previous_hash=entry.previous_hash,
                at=entry.at,
                actor=entry.actor,
                action=entry.action,
                subject=entry.subject,
                detail=entry.detail,
            )
        assert [entry.action for entry in audit_entries(session, subject="clip:1")] == [
            "clip.upload",
            "clip.delete",
        ]
        assert list(audit_entries(session, subject="clip:2")) == []


def test_an_entry_hash_is_the_sha256_of_the_hash_before_and_of_its_content() -> None:
    # printf '{"action":"a","actor":"b","at":"2026-01-31T12:00:00.000000+00:00","detail":{},
    #          "sequence":1,"subject":"c"}' (in one line, without spaces) | sha256sum gives the content's hash;
    # printf '0:6769fa3f...' | sha256sum the entry's
    found = entry_hash(sequence=1, previous_hash="0", at=NOON, actor="b", action="a", subject="c", detail={})

    assert found == "61d0db5719ba10bdc86fa07a4d0d0862abf2177a39c58cc8a6618d774239b81d"


def test_twenty_threads_that_log_at_once_make_one_chain_without_gaps(database: Database) -> None:
    def run() -> None:
        for _ in range(5):
            with database.write() as session:
                append_audit(session, actor="system", action="test", subject="none")

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read() as session:
        entries = list(audit_entries(session))
    assert [entry.sequence for entry in entries] == list(range(1, 101))
    assert all(b.previous_hash == a.hash for a, b in itertools.pairwise(entries))


@pytest.fixture(scope="module")
def shared_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path_factory.mktemp('db') / 'a.sqlite'}")
    yield opened
    opened.close()


@given(
    detail=st.dictionaries(
        st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    )
)
def test_any_detail_of_an_audit_entry_hashes_as_it_is_read_back(
    shared_database: Database, detail: dict[str, object]
) -> None:
    with shared_database.write() as session:
        sequence = append_audit(session, actor="a", action="b", subject="c", detail=detail).sequence
    with shared_database.read() as session:
        entry = next(e for e in audit_entries(session) if e.sequence == sequence)
        assert entry.detail == detail
        assert entry.hash == entry_hash(
            sequence=sequence,
            previous_hash=entry.previous_hash,
            at=entry.at,
            actor="a",
            action="b",
            subject="c",
            detail=entry.detail,
        )
