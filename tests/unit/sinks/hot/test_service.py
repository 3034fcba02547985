"""The hot table over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from socket import create_connection
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from support.hot_rows import START_S, Tier, options, row, rows_of
from support.memory_table import MemoryTable
from tailrace.sinks.hot import keys
from tailrace.sinks.hot.options import Options
from tailrace.sinks.hot.read import Reader
from tailrace.sinks.hot.service import Service, Wrong, answer
from tailrace.world import WorldError

TOKEN = "0123456789abcdef"
OPTIONS = options()


@contextmanager
def served(table: MemoryTable, said: Options = OPTIONS) -> Iterator[Service]:
    with Service(lambda: Reader(table, said, START_S), TOKEN, "127.0.0.1", 0) as service:
        thread = Thread(target=service.run)
        thread.start()
        try:
            yield service
        finally:
            service.stop()
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    table = MemoryTable()
    rows = [row(n, user_id="ann" if n % 3 else "bob/é#1") for n in range(30)]
    Tier(table, OPTIONS).deliver(1, rows_of(rows))
    with served(table) as one:
        yield one


def get(service: Service, path: str, token: str | None = TOKEN, method: str = "GET") -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        connection.request(method, path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_user(service: Service) -> None:
    status, found = get(service, f"/v1/hot/user/north/{quote('bob/é#1', safe='')}?last=2")
    assert status == 200
    assert found["profile"]["last_seen"] == "2026-01-31T00:00:27.000000Z"
    assert [day["event_count"] for day in found["days"]] == [10]
    assert [event["body"]["user_id"] for event in found["events"]] == ["bob/é#1"] * 2
    assert get(service, "/v1/hot/user/north/carl")[0] == 404


def test_a_type_and_the_days_top_users(service: Service) -> None:
    status, found = get(service, "/v1/hot/type/north/view?last=3")
    assert (status, [event["time"][17:19] for event in found["events"]]) == (200, ["27", "28", "29"])
    status, found = get(service, "/v1/hot/top/north?day=2026-01-31&most=1")
    assert (status, found["users"]) == (
        200,
        [{"tenant": "north", "user": "ann", "event_count": 20, "last_event_type": "view"}],
    )


def test_a_day_that_is_not_named_is_today(service: Service) -> None:
    assert get(service, "/v1/hot/top/north") == get(service, "/v1/hot/top/north?day=2026-01-31")


def test_no_days_are_kept_and_that_is_said() -> None:
    with served(MemoryTable(), options(daily=False)) as one:
        status, found = get(one, "/v1/hot/top/north")
    assert (status, found["error"][:27]) == (400, "by: event_count is not kept")


def test_what_http_itself_refuses_is_json_too(service: Service) -> None:
    assert get(service, "/v1/hot/top/north", method="POST") == (501, {"error": "Unsupported method ('POST')"})


@pytest.mark.parametrize("token", [None, "", "0123456789abcdee", TOKEN + "x", "é"])
def test_nothing_without_the_token(service: Service, token: str | None) -> None:
    status, found = get(service, "/v1/hot/user/north/ann", token)
    assert (status, list(found)) == (401, ["error"])


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/", 404, "expected /v1/hot/user"),
        ("/v1/hot/user/north/", 404, "expected /v1/hot/user"),
        ("/v1/hot/user/north/ann?last=0", 400, "last: found '0', expected 1 to 1000"),
        ("/v1/hot/user/north/ann?last=9999999999999", 400, "expected 1 to 1000"),
        ("/v1/hot/type/north/view?most=1", 400, "most: expected none but last"),
        ("/v1/hot/top/north?day=", 400, "day: found '', expected a day in UTC"),
        ("/v1/hot/top/north?day=2026-01-31&by=name", 400, "by: found 'name', expected one of event_count"),
        ("/v1/hot/top/north?day=2026-01-31&by=total_value", 400, "by: total_value is not kept"),
    ],
)
def test_what_cannot_be_answered_is_said(service: Service, path: str, status: int, words: str) -> None:
    found = get(service, path)
    assert found[0] == status
    assert words in found[1]["error"]


def test_an_address_that_is_none_is_the_clients_fault() -> None:
    with pytest.raises(Wrong, match="found no address that can be read"):
        answer(Reader(MemoryTable(), OPTIONS, START_S), "http://[")


def test_a_table_that_is_away_is_no_answer_but_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    table = MemoryTable()

    def away(*_: Any, **__: Any) -> Any:
        raise WorldError("throttled in table hot")

    monkeypatch.setattr(table, "get", away)
    with served(table) as one:
        assert get(one, "/v1/hot/user/north/ann") == (503, {"error": "the table could not be asked"})


def test_what_goes_wrong_here_is_a_500_that_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = MemoryTable()
    monkeypatch.setattr(table, "get", lambda _key: {keys.TTL: "soon"})
    with served(table) as one:
        status, found = get(one, "/v1/hot/user/north/ann")
    assert (status, found) == (500, {"error": "the request failed; the log says why"})


def test_who_reads_slowly_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.sinks.hot.service.AT_ONCE", 1)
    table = MemoryTable()
    rows = [row(n, text="x" * 200_000) for n in range(100)]
    Tier(table, OPTIONS).deliver(1, rows_of(rows, {"text": pa.string()}))
    with served(table) as one, create_connection(("127.0.0.1", one.port), 10) as slow:
        asked = f"GET /v1/hot/user/north/ann?last=100 HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
        slow.sendall(asked.encode())
        assert slow.recv(12) == b"HTTP/1.0 200"
        assert get(one, "/v1/hot/user/north/carl")[0] == 404


def test_so_many_connections_are_open_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.sinks.hot.service.CONNECTIONS", 2)
    with served(MemoryTable()) as one:
        silent = [create_connection(("127.0.0.1", one.port), 10) for _ in range(2)]
        with pytest.raises(ConnectionError):
            get(one, "/v1/hot/user/north/ann")
        for connection in silent:
            connection.close()
        end = monotonic() + 10
        while monotonic() < end:
            try:
                status, _ = get(one, "/v1/hot/user/north/ann")
            except ConnectionError:
                continue
            break
        assert status == 404
