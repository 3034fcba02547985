"""Where schemas and lookups are read: what was there, whether it has changed, and what is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from support.ministack import ministack
from tailrace.schema import source
from tailrace.schema.book import BookError
from tailrace.schema.source import Files
from tailrace.settings import Aws, Settings
from tailrace.world import WorldDenied, WorldError


def is_json(path: str) -> bool:
    return path.endswith(".json")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield running.url


class OnDisk:
    """A source in a folder."""

    def __init__(self, folder: Path) -> None:
        self.uri = str(folder / "source")
        self.files = Files.of(Settings())
        self._folder = folder / "source"
        self._folder.mkdir()

    def put(self, path: str, data: bytes) -> None:
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def remove(self, path: str) -> None:
        (self._folder / path).unlink()


class InS3:
    """A source in a bucket."""

    def __init__(self, endpoint: str, name: str) -> None:
        self._s3: Any = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint)
        self._s3.create_bucket(Bucket=name)
        self._bucket = name
        self._s3.put_object(Bucket=name, Key="source-of-another/x.json", Body=b"not ours")
        self.uri = f"s3://{name}/source/"
        self.files = Files.of(Settings(aws=Aws(s3_endpoint=endpoint)))

    def put(self, path: str, data: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"source/{path}", Body=data)

    def remove(self, path: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=f"source/{path}")


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, endpoint: str) -> OnDisk | InS3:
    if request.param == "disk":
        return OnDisk(tmp_path)
    name = request.node.name.replace("_", "-").partition("[")[0].removeprefix("test-")
    return InS3(endpoint, f"b-{name[:50].strip('-')}")


def test_wanted_files_come_by_their_path_below_the_source(place: OnDisk | InS3) -> None:
    place.put("click/1.json", b"1")
    place.put("com.acme/x/jsonschema/1-0-0.json", b"2")
    place.put("README.md", b"no")
    found = place.files.folder(place.uri, is_json)
    assert found == {"click/1.json": b"1", "com.acme/x/jsonschema/1-0-0.json": b"2"}


@pytest.mark.parametrize("change", ["another", "altered", "removed"])
def test_a_change_is_seen_without_reading(place: OnDisk | InS3, change: str) -> None:
    place.put("click/1.json", b"1")
    place.put("click/2.json", b"2")
    place.files.folder(place.uri, is_json)
    before = place.files.stamp
    assert place.files.stamp_now() == before
    if change == "another":
        place.put("click/3.json", b"3")
    elif change == "altered":
        place.put("click/2.json", b"4!")
    else:
        place.remove("click/1.json")
    assert place.files.stamp_now() != before


def test_a_file_that_is_not_wanted_changes_nothing(place: OnDisk | InS3) -> None:
    place.put("click/1.json", b"1")
    place.files.folder(place.uri, is_json)
    place.put("notes.txt", b"n")
    assert place.files.stamp_now() == place.files.stamp


def test_one_file_is_read_and_stamped_like_a_folder(place: OnDisk | InS3) -> None:
    place.put("routes.json", b"[]")
    uri = f"{place.uri.rstrip('/')}/routes.json"
    assert place.files.read(uri) == b"[]"
    assert place.files.stamp_now() == place.files.stamp
    place.put("routes.json", b"[1]")
    assert place.files.stamp_now() != place.files.stamp
    assert place.files.anew().read(uri) == b"[1]"


def test_what_was_read_is_the_same_for_whoever_asks_again(place: OnDisk | InS3) -> None:
    place.put("routes.json", b"[]")
    uri = f"{place.uri.rstrip('/')}/routes.json"
    place.files.read(uri)
    place.put("routes.json", b"[1]")
    assert place.files.read(uri) == b"[]"


@pytest.mark.parametrize("what", ["folder", "read"])
def test_what_is_not_there_is_one_line_that_names_it(place: OnDisk | InS3, what: str) -> None:
    place.put("click/1.json", b"1")
    uri = f"{place.uri.rstrip('/')}/nowhere"
    with pytest.raises(BookError, match=r"nowhere: [^\n]+") as error:
        place.files.folder(uri, is_json) if what == "folder" else place.files.read(uri)
    assert "\n" not in str(error.value)


def test_a_copy_reads_the_same_and_stamps_the_originals(place: OnDisk | InS3, tmp_path: Path) -> None:
    place.put("click/1.json", b"\xff1")
    place.put("routes.json", b"[]")
    one = f"{place.uri.rstrip('/')}/routes.json"
    place.files.folder(place.uri, lambda path: path.startswith("click/"))
    place.files.read(one)
    place.files.keep(tmp_path / "copy")
    place.put("routes.json", b"[2]")
    copied = place.files.of_copy((tmp_path / "copy").read_bytes())
    assert copied.folder(place.uri, is_json) == {"click/1.json": b"\xff1"}
    assert copied.read(one) == b"[]"
    assert copied.stamp != copied.stamp_now() == copied.stamp_now()
    with pytest.raises(BookError, match="the copy does not hold it"):
        copied.read("elsewhere")


def test_a_copy_is_its_owners_alone_and_replaced_whole(tmp_path: Path) -> None:
    place = OnDisk(tmp_path)
    place.put("keys.json", b"secret")
    place.files.read(f"{place.uri}/keys.json")
    (tmp_path / "copy").write_bytes(b"old")
    (tmp_path / f"copy.{os.getpid()}").write_bytes(b"of a process that died")
    place.files.keep(tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["copy"]


def test_a_damaged_copy_is_one_line() -> None:
    with pytest.raises(BookError, match="the copy of schemas and lookups cannot be read"):
        Files.of(Settings()).of_copy(b"\xc1nonsense")


def test_there_is_a_limit_to_files_and_to_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = OnDisk(tmp_path)
    for number in range(4):
        place.put(f"click/{number}.json", b"12345")
    monkeypatch.setattr(source, "FILES_MAX", 4)
    assert len(place.files.folder(place.uri, is_json)) == 4
    place.put("click/more.txt", b"")
    with pytest.raises(BookError, match="found more than 4 files"):
        place.files.anew().folder(place.uri, is_json)
    monkeypatch.setattr(source, "FILES_MAX", 5)
    monkeypatch.setattr(source, "FOLDER_BYTES_MAX", 19)
    with pytest.raises(BookError, match="found 20 bytes of schemas, expected at most 19"):
        place.files.anew().folder(place.uri, is_json)
    monkeypatch.setattr(source, "FILE_BYTES_MAX", 4)
    with pytest.raises(BookError, match="found 5 bytes, expected at most 4"):
        place.files.anew().read(f"{place.uri}/click/0.json")


def test_a_folder_below_that_cannot_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "1.json").write_text("{}")
    (tmp_path / "order").mkdir()
    scandir: Any = os.scandir

    def scan(path: Any) -> Any:
        if str(path).endswith("order"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    with pytest.raises(BookError, match=r"order: permission denied$"):
        Files.of(Settings()).folder(str(tmp_path), is_json)


def test_hidden_folders_are_passed_over_and_devices_refused(tmp_path: Path) -> None:
    place = OnDisk(tmp_path)
    place.put(".git/x.json", b"")
    place.put("a.json", b"1")
    assert place.files.folder(place.uri, is_json) == {"a.json": b"1"}
    os.mkfifo(Path(place.uri) / "pipe.json")
    with pytest.raises(BookError, match=r"pipe\.json: found a folder or device, expected a file"):
        place.files.anew().folder(place.uri, is_json)


def test_a_bucket_without_schemas_is_no_empty_book(endpoint: str) -> None:
    place = InS3(endpoint, "b-empty")
    with pytest.raises(BookError, match="s3://b-empty/source/: nothing is there, expected schemas"):
        place.files.folder(place.uri, is_json)
    with pytest.raises(BookError, match="it is not there"):
        place.files.folder("s3://b-no-such-bucket/x", is_json)


def test_s3_that_is_away_may_be_asked_again_and_one_that_refuses_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    away = Files.of(Settings(aws=Aws(s3_endpoint="http://127.0.0.1:9")))
    with pytest.raises(WorldError, match="read s3://bucket/key"):
        away.read("s3://bucket/key")
    with pytest.raises(WorldError, match="list s3://bucket/p"):
        away.folder("s3://bucket/p", is_json)

    from botocore.exceptions import NoCredentialsError

    class Refusing:
        def head_object(self, **_asked: Any) -> None:
            raise NoCredentialsError

    with pytest.raises(WorldDenied):
        Files(Refusing).read("s3://bucket/key")


def test_an_object_that_changes_while_it_is_read_is_read_again_later(endpoint: str) -> None:
    place = InS3(endpoint, "b-changing")
    place.put("routes.json", b"[]")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=endpoint)

    class Changing:
        def head_object(self, **asked: Any) -> Any:
            answer = client.head_object(**asked)
            place.put("routes.json", b"[1]")
            return answer

        def get_object(self, **asked: Any) -> Any:
            return client.get_object(**asked)

    with pytest.raises(WorldError, match="it changed while it was read"):
        Files(Changing).read(f"{place.uri}routes.json")
