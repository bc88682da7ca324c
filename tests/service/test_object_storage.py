"""What is S3's own: parts, ranges, replaced files, retries, and what an operator is told when it cannot be used."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from activity.errors import ConfigurationError, StorageError
from activity.service.object_storage import ObjectStorage
from activity.service.storage import open_storage
from tests.service.s3 import S3Server, signature

KEY = "clips/1/file.mp4"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(b"0123456789")
    return path


def test_the_server_of_these_tests_signs_as_amazon_says() -> None:
    """The example 'GET Object' of the S3 API reference, 'Signature Calculations: Transferring Payload in a Single Chunk'."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (
        signature(
            secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # noqa: S106 - published
            method="GET",
            path="/test.txt",
            query="",
            headers={
                "host": "examplebucket.s3.amazonaws.com",
                "range": "bytes=0-9",
                "x-amz-content-sha256": empty,
                "x-amz-date": "20130524T000000Z",
            },
            signed="host;range;x-amz-content-sha256;x-amz-date",
            date="20130524",
            region="us-east-1",
        )
        == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_the_trial_at_the_start_leaves_nothing(s3_server: S3Server) -> None:
    open_storage("s3://clips/here")
    assert s3_server.buckets == {"clips": {}}
    assert {method for method, _ in s3_server.requests} == {"GET", "PUT", "HEAD", "DELETE"}


def test_a_large_file_goes_in_parts_and_comes_back_whole(s3_server: S3Server, source: Path) -> None:
    content = bytes(range(256)) * (20 * 1024 * 1024 // 256) + b"end"
    source.write_bytes(content)
    storage = open_storage("s3://clips/here")
    storage.put(KEY, source)
    assert sum("partNumber" in path for _, path in s3_server.requests) == 3  # of 8 MiB
    assert s3_server.uploads == {}
    assert storage.size(KEY) == len(content)
    with storage.local_file(KEY) as path:
        assert path.read_bytes() == content
    with storage.open(KEY) as stream:
        stream.seek(len(content) - 5)
        assert stream.read() == content[-5:]


def test_an_upload_that_fails_on_the_way_shows_no_file(s3_server: S3Server, source: Path) -> None:
    source.write_bytes(bytes(20 * 1024 * 1024))
    storage = open_storage("s3://clips/here")
    s3_server.failures += [403]
    with pytest.raises(StorageError, match="cannot be stored"):
        storage.put(KEY, source)
    assert s3_server.buckets["clips"] == {}
    assert not storage.exists(KEY)


def test_reading_from_the_middle_fetches_no_more_than_a_buffer(s3_server: S3Server, source: Path) -> None:
    source.write_bytes(bytes(16 * 1024 * 1024))
    storage = open_storage("s3://clips/here")
    storage.put(KEY, source)
    s3_server.requests.clear()
    with storage.open(KEY) as stream:
        stream.seek(9_000_000)
        assert len(stream.read(1000)) == 1000
    assert [method for method, _ in s3_server.requests] == ["HEAD", "GET"]


def test_what_others_changed_is_seen_at_once(s3_address: str, source: Path) -> None:
    storage, other = open_storage(s3_address), open_storage(s3_address)
    assert not storage.exists(KEY)
    other.put(KEY, source)
    assert storage.exists(KEY)
    source.write_bytes(b"longer than before")
    other.put(KEY, source)
    assert storage.size(KEY) == 18
    with storage.open(KEY) as stream:
        assert stream.read() == b"longer than before"
    other.delete(KEY)
    assert not storage.exists(KEY)
    with pytest.raises(FileNotFoundError):
        storage.open(KEY)


def test_two_versions_of_a_file_are_never_mixed(s3_address: str, source: Path) -> None:
    source.write_bytes(bytes(6_000_000))
    storage = open_storage(s3_address)
    storage.put(KEY, source)
    with storage.open(KEY) as stream:
        assert stream.read(10) == bytes(10)
        source.write_bytes(b"1" * 6_000_000)
        storage.put(KEY, source)
        with pytest.raises(StorageError, match="replaced while it was read"):
            stream.read()


def test_a_short_failure_is_tried_again(s3_server: S3Server, source: Path) -> None:
    storage = open_storage("s3://clips/here")
    s3_server.failures += [503, 500]
    storage.put(KEY, source)
    s3_server.failures += [503]
    assert storage.size(KEY) == 10


@pytest.mark.parametrize(
    ("changed", "address", "expected"),
    [
        ({}, "s3://nobucket/here", "there is no such bucket; make it"),
        (
            {"AWS_ACCESS_KEY_ID": "AKIASOMEBODYELSE"},
            "s3://clips",
            "credentials are not accepted; set AWS_ACCESS_KEY_ID",
        ),
        (
            {"AWS_SECRET_ACCESS_KEY": "wrong"},
            "s3://clips",
            "credentials are not accepted; set AWS_ACCESS_KEY_ID",
        ),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
            "s3://clips",
            "does not answer; start it, or mend AWS_ENDPOINT_URL",
        ),
        ({"AWS_ACCESS_KEY_ID": None}, "s3://clips", "no credentials were found; set AWS_ACCESS_KEY_ID"),
    ],
    ids=["bucket", "key", "secret", "endpoint", "none"],
)
def test_a_storage_that_cannot_be_used_is_refused_at_the_start(
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str | None],
    address: str,
    expected: str,
) -> None:
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=re.escape(expected)) as caught:
        open_storage(address)
    assert "secret" not in str(caught.value)


def test_a_bucket_that_went_away_is_no_missing_file(s3_server: S3Server) -> None:
    storage = open_storage("s3://clips/here")
    s3_server.buckets.clear()
    with pytest.raises(StorageError, match="there is no such bucket"):
        storage.check()


def test_credentials_that_may_not_write_are_told_what_they_need(s3_server: S3Server, source: Path) -> None:
    storage = open_storage("s3://clips/here")
    s3_server.failures += [403]
    with pytest.raises(StorageError, match="s3:PutObject"):
        # the server's code says SlowDown, as for each failure; its status is what counts
        storage.put(KEY, source)


def test_without_its_package_an_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigurationError, match=re.escape('pip install "activity[s3]"')):
        ObjectStorage("s3://clips/here")
