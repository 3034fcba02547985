import os
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.kcl.run_dir import RunDir, RunDirBusyError, edition_copy


def test_a_temporary_one_is_removed_at_the_end() -> None:
    run = RunDir("")
    assert run.metrics.is_dir()
    run.close()
    assert not run.path.exists()


def test_a_wanted_one_is_made_and_kept_empty(tmp_path: Path) -> None:
    run = RunDir(str(tmp_path / "a" / "run"))
    run.write(b"{}", "key=value\n")
    edition_copy(run.settings).write_bytes(b"")
    (run.path / "edition.copy.123").write_bytes(b"")
    assert run.settings.read_bytes() == b"{}"
    assert b"<configuration>" in run.logback.read_bytes()
    assert (run.path / "pid").read_text() == f"{os.getpid()}\n"
    run.close()
    assert [path.name for path in (tmp_path / "a" / "run").iterdir()] == ["lock"]


def test_metrics_of_an_earlier_run_are_wiped(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").write_bytes(b"old")
    (tmp_path / "of a person").write_bytes(b"kept")
    run = RunDir(str(tmp_path))
    assert list(run.metrics.iterdir()) == []
    run.close()
    assert (tmp_path / "of a person").exists()


def test_two_supervisors_do_not_share_one(tmp_path: Path) -> None:
    run = RunDir(str(tmp_path))
    with pytest.raises(RunDirBusyError, match=str(tmp_path)):
        RunDir(str(tmp_path))
    run.close()
    RunDir(str(tmp_path)).close()


@pytest.mark.parametrize("name", ["with blanks in it", "é", "l" * 100])
def test_a_path_that_kcl_cannot_be_told_is_linked(tmp_path: Path, name: str) -> None:
    run = RunDir(str(tmp_path / name))
    run.write(b"{}", "")
    place = run.place()
    assert not any(char.isspace() for char in place.settings)
    assert place.settings.isascii()
    assert len(str(run.socket)) < 107
    assert (tmp_path / name / "settings.json").read_bytes() == b"{}"
    link = run.path
    run.close()
    assert not link.is_symlink()
    assert not link.parent.exists()
    assert (tmp_path / name).exists()


def test_an_interpreter_in_a_path_with_blanks_is_linked_with_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "my environment"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    (home / "pyvenv.cfg").write_text(f"home = {Path(os.path.realpath(sys.executable)).parent}\n")
    monkeypatch.setattr(sys, "executable", str(home / "bin" / "python"))
    run = RunDir(str(tmp_path / "run"))
    python = run.place().python
    assert " " not in python
    done = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).resolve() == home
    run.close()
