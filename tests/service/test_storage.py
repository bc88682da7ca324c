"""Files in a folder and in object storage: one behaviour. What is S3's own stands in test_object_storage.py."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from activity.errors import ConfigurationError, OutputError, StorageError
from activity.service.storage import FolderStorage, Storage, check_key, new_key, open_storage


@pytest.fixture(params=["folder", "memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    match request.param:
        case "folder":
            return open_storage(str(tmp_path / "files"))
        case "memory":
            return open_storage("memory:///here")
        case _:
            return open_storage(request.getfixturevalue("s3_address"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.bin"
    path.write_bytes(b"0123456789")
    return path


def test_a_stored_file_is_read_back_whole_and_from_the_middle(storage: Storage, source: Path) -> None:
    key = new_key("clips", ".mp4")
    storage.put(key, source)
    assert storage.exists(key)
    assert storage.size(key) == 10
    with storage.open(key) as stream:
        stream.seek(4)
        assert stream.read(3) == b"456"
    with storage.local_file(key) as path:
        assert path.read_bytes() == b"0123456789"
        assert path.suffix == ".mp4"


def test_a_second_put_replaces_the_first(storage: Storage, source: Path) -> None:
    storage.put("jobs/1/report.json", source)
    source.write_bytes(b"new")
    storage.put("jobs/1/report.json", source)
    with storage.open("jobs/1/report.json") as stream:
        assert stream.read() == b"new"


def test_a_deleted_file_is_gone_and_can_be_deleted_again(storage: Storage, source: Path) -> None:
    storage.put("jobs/1/report.json", source)
    storage.put("jobs/1/annotated.mp4", source)
    storage.delete("jobs/1/report.json")
    storage.delete("jobs/1/report.json")
    assert not storage.exists("jobs/1/report.json")
    assert storage.exists("jobs/1/annotated.mp4")


def test_a_file_that_is_not_there_is_named_so(storage: Storage) -> None:
    with pytest.raises(FileNotFoundError):
        storage.open("jobs/2/report.json")
    with pytest.raises(FileNotFoundError):
        storage.size("jobs/2/report.json")
    with pytest.raises(FileNotFoundError), storage.local_file("jobs/2/report.json"):
        pass


@pytest.mark.parametrize(
    "key",
    [
        "../x",
        "/etc/passwd",
        "clips/../../x",
        "clips//x",
        "clips/X.mp4",
        "clips/.mp4",
        "",
        "a\\b",
        "a\x00",
        "a.b.c",
        "a\n",
    ],
)
def test_a_key_that_no_server_made_is_refused(storage: Storage, source: Path, key: str) -> None:
    with pytest.raises(OutputError, match="storage key"):
        storage.put(key, source)
    with pytest.raises(OutputError, match="storage key"):
        storage.open(key)


def test_a_file_of_no_bytes_is_a_file(storage: Storage, source: Path) -> None:
    source.write_bytes(b"")
    storage.put("jobs/1/report.json", source)
    assert storage.size("jobs/1/report.json") == 0
    with storage.open("jobs/1/report.json") as stream:
        assert stream.read() == b""
    with storage.local_file("jobs/1/report.json") as path:
        assert path.read_bytes() == b""


def test_a_stream_knows_where_it_is_and_reads_nothing_past_the_end(storage: Storage, source: Path) -> None:
    storage.put("jobs/1/report.json", source)
    with storage.open("jobs/1/report.json") as stream:
        assert stream.seek(-3, 2) == 7
        assert stream.read() == b"789"
        assert (stream.tell(), stream.read()) == (10, b"")
        assert stream.seek(2) == 2
        assert stream.seek(1, 1) == 3
        assert stream.read(4) == b"3456"
        stream.seek(99)
        assert stream.read(1) == b""


def test_a_storage_that_works_says_so(storage: Storage) -> None:
    storage.check()


def test_new_keys_differ_and_have_the_servers_form() -> None:
    keys = {new_key("clips", ".mp4") for _ in range(100)}
    assert len(keys) == 100
    assert all(check_key(key) == key for key in keys)


def test_the_files_of_a_folder_are_the_users_own(tmp_path: Path, source: Path) -> None:
    FolderStorage(tmp_path / "files").put("clips/1/file.mp4", source)
    assert stat.S_IMODE((tmp_path / "files").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "files/clips/1/file.mp4").stat().st_mode) == 0o600


def test_a_put_that_fails_leaves_nothing(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "files")
    with pytest.raises(OutputError, match="cannot be stored"):
        storage.put("clips/1/file.mp4", tmp_path / "missing")
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


def test_a_folder_that_went_away_says_so(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "files")
    (tmp_path / "files").rmdir()
    with pytest.raises(StorageError, match="mount it again"):
        storage.check()


def test_storage_that_nothing_speaks_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError, match="expected an address such as s3://bucket/path"):
        open_storage("nosuchscheme://bucket")
