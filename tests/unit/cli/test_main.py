"""The command line: one line for what a person can mend, a status that tells which kind, nothing loaded early."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tailrace import cli
from tailrace.cli import COMMANDS, GROUPS, SENTENCES, Command, available, main
from tailrace.settings import SettingsError


class Probe(ModuleType):
    """A subcommand that answers, or raises what it was given."""

    NAME, HELP, GROUP = "probe", "is a probe", "look"

    def __init__(self, answer: int | BaseException = 0) -> None:
        super().__init__("tailrace.cli.probe")
        self.answer = answer
        self.seen: argparse.Namespace | None = None

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--deep", action="store_true")

    def run(self, args: argparse.Namespace) -> int:
        self.seen = args
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def given(monkeypatch: pytest.MonkeyPatch, probe: Probe) -> Probe:
    command = Command("probe", "look", "is a probe")
    monkeypatch.setattr(cli, "COMMANDS", (command,))
    monkeypatch.setattr(cli, "available", lambda: [command])
    monkeypatch.setitem(sys.modules, "tailrace.cli.probe", probe)
    return probe


def test_help_lists_what_is_there_by_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    text = capsys.readouterr().out
    for command in available():
        assert f"  {command.name:<12}{command.help}" in text
    places = [text.index(f"\n{group}:\n") for group in GROUPS if any(c.group == group for c in available())]
    assert places == sorted(places)


def test_help_loads_no_heavy_module() -> None:
    heavy = "{'pyarrow', 'boto3', 'jsonschema_rs', 'duckdb', 'prometheus_client'}"
    code = (
        f"import sys; from tailrace.cli import main; main(['--help'], {{}}); sys.exit(bool({heavy} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("command", available(), ids=lambda command: command.name)
def test_the_list_and_the_module_say_the_same(command: Command) -> None:
    module = cli._module(command)
    assert command == (module.NAME, module.GROUP, module.HELP)


@pytest.mark.parametrize("command", available(), ids=lambda command: command.name)
def test_every_command_explains_itself(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command.name, "--help"], {}) == 0
    assert capsys.readouterr().out.startswith(f"usage: tailrace {command.name}")


def test_every_command_of_this_version_is_there() -> None:
    assert available() == list(COMMANDS)


def test_a_typo_is_answered_with_the_nearest_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, Probe())
    assert main(["prob"], {}) == 2
    assert capsys.readouterr().err == "tailrace: prob is no command (did you mean probe?)\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], {}) == 2
    assert "usage: tailrace" in capsys.readouterr().out


def test_an_option_without_a_command_is_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--config", str(tmp_path / "x.toml")], {}) == 2
    assert capsys.readouterr().err.startswith("tailrace: say what to do")


def test_the_settings_come_with_the_arguments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    probe = given(monkeypatch, Probe(answer=1))
    path = tmp_path / "t.toml"
    path.write_text("[flush]\nrows = 5\n")
    for argv in (["--config", str(path), "probe", "--deep"], ["probe", "--deep", "--config", str(path)]):
        assert main(argv, {"TAILRACE_SERVE_PORT": "0"}) == 1
        assert probe.seen is not None
        assert (probe.seen.settings.flush.rows, probe.seen.settings.serve.port, probe.seen.deep) == (5, 0, True)


def test_the_default_file_is_used_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    probe = given(monkeypatch, Probe())
    monkeypatch.chdir(tmp_path)
    assert main(["probe"], {}) == 0
    (tmp_path / "properties").mkdir()
    (tmp_path / "properties" / "tailrace.toml").write_text('[stream]\nname = "clicks"\n')
    assert main(["probe"], {}) == 0
    assert probe.seen is not None
    assert probe.seen.settings.stream.name == "clicks"


def test_bad_configuration_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    probe = given(monkeypatch, Probe())
    path = tmp_path / "t.toml"
    path.write_text("[flush]\nrowz = 5\n")
    assert main(["--config", str(path), "probe"], {}) == 2
    assert capsys.readouterr().err == f"tailrace: {path}: [flush] rowz is no setting (did you mean rows?)\n"
    assert probe.seen is None


def test_a_missing_package_says_which_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given(monkeypatch, Probe())

    def missing(_name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(importlib, "import_module", missing)
    assert main(["probe"], {}) == 2
    assert "needs the package pyarrow: install tailrace with its extra" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "status"), SENTENCES.items(), ids=str)
def test_what_a_person_can_mend_is_one_line(
    name: tuple[str, str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = getattr(importlib.import_module(name[0]), name[1])
    given(monkeypatch, Probe(answer=kind("s3 is away:\nreset")))
    assert main(["probe"], {}) == status
    assert capsys.readouterr().err == "tailrace: s3 is away: reset\n"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, Probe(answer=ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["probe"], {})


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, Probe(answer=KeyboardInterrupt()))
    assert main(["probe"], {}) == 130


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m tailrace --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {"0", "141"}
    assert done.stderr == ""


def test_a_settings_error_of_a_subclass_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class FinerError(SettingsError):
        pass

    given(monkeypatch, Probe(answer=FinerError("x")))
    assert main(["probe"], {}) == 2
