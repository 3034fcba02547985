import io
import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailrace.ops import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    out, root = vars(logs._out).copy(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if logs._out.socket is not None:
        logs._out.socket.close()
    vars(logs._out).update(out)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_fields() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    logs.get("child").info("committed", shard="s", chain=3, rows=500)
    (line,) = out.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("ts").endswith("Z")
    assert found == {"level": "info", "logger": "child", "msg": "committed", "shard": "s", "chain": 3, "rows": 500}


def test_lower_levels_are_left_out() -> None:
    out = io.StringIO()
    logs.configure("json", "warning", out)
    log = logs.get("x")
    log.debug("no")
    log.info("no")
    log.warning("yes")
    log.error("yes")
    assert len(out.getvalue().splitlines()) == 2


def test_bound_fields_are_in_every_line() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    log = logs.get("x").bind(shard="s")
    log.info("a", chain=1)
    log.info("b", shard="t")
    assert [(f["shard"], f.get("chain")) for f in map(json.loads, out.getvalue().splitlines())] == [
        ("s", 1),
        ("t", None),
    ]


def test_what_json_does_not_know_is_text() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    logs.get("x").info("a", path=Path("/p"), error=ValueError("no"))
    found = json.loads(out.getvalue())
    assert (found["path"], found["error"]) == ("/p", "no")


def test_an_exception_keeps_its_traceback() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    try:
        raise ValueError("wrong")
    except ValueError:
        logs.get("x").exception("failed", shard="s")
    found = json.loads(out.getvalue())
    assert found["level"] == "error"
    assert "ValueError: wrong" in found["traceback"]


def test_auto_is_json_in_a_pipe_and_text_on_a_terminal() -> None:
    pipe, terminal = io.StringIO(), Terminal()
    logs.configure("auto", "info", pipe)
    logs.get("x").info("a")
    logs.configure("auto", "info", terminal)
    logs.get("x").info("a")
    assert pipe.getvalue().startswith("{")
    assert not terminal.getvalue().startswith("{")


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, coloured in ((io.StringIO(), False), (Terminal(), True)):
        logs.configure("text", "info", stream)
        logs.get("x").warning("a")
        assert ("\x1b[" in stream.getvalue()) is coloured
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    logs.configure("text", "info", stream)
    logs.get("x").warning("a")
    assert "\x1b[" not in stream.getvalue()


def test_the_text_form() -> None:
    event = {"ts": "2026-01-02T03:04:05.678Z", "level": "info", "logger": "child", "msg": "done", "n": 3, "why": "a b"}
    assert logs.text_line(event | {"none": None}) == "03:04:05.678 info    child      done  n=3 why='a b'"
    assert logs.text_line(event | {"traceback": "T\n"}).endswith("why='a b'\nT")


def test_lines_of_libraries_look_the_same() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    logging.getLogger("botocore.x").warning("slow %d", 3)
    logging.getLogger("botocore.x").info("chatter")
    found = json.loads(out.getvalue())
    assert (found["level"], found["logger"], found["msg"]) == ("warning", "botocore.x", "slow 3")


def test_a_childs_line_goes_through_the_socket_and_is_relayed(tmp_path: Path) -> None:
    path, out = str(tmp_path / "s"), io.StringIO()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        logs.configure("json", "info", out, path)
        logs.get("child").info("hello", shard="s")
        line = receiver.recv(logs.LINE_BYTES_MAX)
    assert out.getvalue() == ""
    logs.configure("text", "info", out)
    logs.relay(line)
    assert "hello  shard=s" in out.getvalue()


def test_without_a_receiver_lines_go_to_the_stream(tmp_path: Path) -> None:
    out = io.StringIO()
    logs.configure("json", "info", out, str(tmp_path / "none"))
    logs.get("child").info("hello")
    assert json.loads(out.getvalue())["msg"] == "hello"


def test_a_receiver_that_went_away_or_does_not_read_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "SEND_WAIT_S", 0.01)
    path, out = str(tmp_path / "s"), io.StringIO()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(path)
        logs.configure("json", "info", out, path)
        for _ in range(2000):  # more than any queue holds
            logs.get("child").info("x" * 200)
    assert len(out.getvalue().splitlines()) > 1000  # the wait is paid once, not for every line
    before = len(out.getvalue())
    logs.get("child").info("after")
    assert len(out.getvalue()) > before


def test_what_is_no_line_is_relayed_as_it_is() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    logs.relay(b"\xffnot json")
    assert json.loads(out.getvalue())["msg"] == "\ufffdnot json"


def test_a_closed_stream_is_no_obstacle() -> None:
    out = io.StringIO()
    logs.configure("json", "info", out)
    out.close()
    logs.get("x").info("a")
