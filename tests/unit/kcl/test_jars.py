import hashlib
from pathlib import Path

import pytest

from tailrace.kcl import jars
from tailrace.kcl.jars import JarsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a-1.jar", "b-2.jar"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


TABLE = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a-1.jar", "b-2.jar")}


def test_the_installed_jars_are_the_tested_ones() -> None:
    table = jars.table()
    assert len(table) == 79  # amazon_kclpy 3.1.3's pom.xml names so many
    assert f"amazon-kinesis-client-multilang-{jars.VERSION}.jar" in table
    assert jars.check(jars.folder(), table) == 79


def test_a_missing_jar_is_named_with_the_remedy(folder: Path) -> None:
    (folder / "b-2.jar").unlink()
    with pytest.raises(
        JarsError, match=r"missing: b-2\.jar.*pip install --force-reinstall --no-cache-dir amazon_kclpy==3"
    ):
        jars.check(folder, TABLE)


def test_an_altered_jar_is_named(folder: Path) -> None:
    (folder / "a-1.jar").write_bytes(b"a-1.jar and a bit more")
    with pytest.raises(JarsError, match=r"altered: a-1\.jar\)"):
        jars.check(folder, TABLE)


def test_a_jar_too_many_is_named(folder: Path) -> None:
    (folder / "log4j-1.jar").write_bytes(b"")
    with pytest.raises(JarsError, match=r"unknown: log4j-1\.jar"):
        jars.check(folder, TABLE)


def test_a_missing_folder_names_some_and_counts_the_rest(tmp_path: Path) -> None:
    with pytest.raises(JarsError, match=r"missing: .* and 74 more"):
        jars.check(tmp_path / "none", jars.table())


def test_the_error_is_one_line(folder: Path) -> None:
    (folder / "a-1.jar").unlink()
    with pytest.raises(JarsError) as error:
        jars.check(folder, TABLE)
    assert "\n" not in str(error.value)
