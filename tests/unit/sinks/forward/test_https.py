"""Services over HTTP: what is sent, and what each answer means."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.http_service import Answer, Call, Service, serving
from support.memory_target import Ear, Time, messages
from tailrace.nouns import Destination
from tailrace.settings import Aws, Settings, SettingsError
from tailrace.sinks.forward import sink
from tailrace.sinks.forward.messages import Message
from tailrace.sinks.forward.sender import Letter
from tailrace.world import WorldDenied, WorldError


@pytest.fixture
def service() -> Iterator[Service]:
    with serving() as one:
        yield one


def there(url: str, **options: Any) -> Destination:
    return Destination("there", "https", url, {"concurrency": 1, **options})


def send(destination: Destination, given: list[Message], clock: Time | None = None) -> list[Letter]:
    options, target = sink.parts_of(destination, Aws())
    return sink.sender_of(destination, options, target, clock or Time(), Ear()).send(given)


def events(count: int) -> list[Message]:
    return [one._replace(data=b'{"n":%d,"user_id":"u%d"}' % (n, n)) for n, one in enumerate(messages(count))]


def test_each_event_is_a_call_of_its_own_with_the_secret_from_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_TOKEN", "s3cret")
    headers = {"Authorization": {"env": "THEIR_TOKEN", "prefix": "Bearer "}, "X-From": "us"}
    assert send(there(f"{service.url}/in?x=1", headers=headers), events(3)) == []
    assert [json.loads(call.body)["n"] for call in service.calls] == [0, 1, 2]
    call = service.calls[0]
    assert (call.method, call.path) == ("POST", "/in?x=1")
    assert call.headers["Authorization"] == "Bearer s3cret"
    assert (call.headers["X-From"], call.headers["Content-Type"]) == ("us", "application/json")


def test_a_service_that_echoes_the_secret_brings_it_into_no_letter(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_TOKEN", "s3cret")
    service.answer = lambda call: Answer(400, f"no such key: {call.headers['Authorization']}".encode())
    headers = {"Authorization": {"env": "THEIR_TOKEN", "prefix": "Bearer "}}
    (letter,) = send(there(service.url, headers=headers), events(1))
    assert letter.failure.detail == "no such key: Bearer ***"


def test_a_template_gives_another_shape(service: Service) -> None:
    template = {"who": "$user_id", "what": ["$n", "$nothing", "$$n", "n"], "all": "$", "kind": {"a": 1}}
    assert send(there(service.url, template=template, method="PUT"), events(1)) == []
    (call,) = service.calls
    assert call.method == "PUT"
    assert json.loads(call.body) == {
        "who": "u0", "what": [0, None, "$n", "n"], "all": {"n": 0, "user_id": "u0"}, "kind": {"a": 1},
    }  # fmt: skip


def test_a_template_gives_values_digit_by_digit(service: Service) -> None:
    (event,) = events(1)
    event = event._replace(data=b'{"n":1180591620717411303424,"x":{"a":1.10}}')
    assert send(there(service.url, template={"all": "$", "n": "$n", "x": ["$x"]}), [event]) == []
    assert service.calls[0].body == b'{"all":' + event.data + b',"n":1180591620717411303424,"x":[{"a":1.10}]}'


@pytest.mark.parametrize(
    ("shape", "kind", "read"),
    [
        ("array", "application/json", json.loads),
        ("ndjson", "application/x-ndjson", lambda body: [json.loads(line) for line in body.splitlines()]),
    ],
)
def test_many_events_share_a_call(service: Service, shape: str, kind: str, read: Callable[[bytes], Any]) -> None:
    assert send(there(service.url, format=shape, batch=4), events(10)) == []
    assert [[one["n"] for one in read(call.body)] for call in service.calls] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert service.calls[0].headers["Content-Type"] == kind


def bulk(call: Call, bad: dict[int, tuple[int, str]]) -> Answer:
    lines = [json.loads(line) for line in call.body.splitlines()]
    items = []
    for action, doc in zip(lines[::2], lines[1::2], strict=True):
        status, kind = bad.get(doc["n"], (201, ""))
        error = {"error": {"type": kind, "reason": f"value of {doc['user_id']}"}} if kind else {}
        items.append({"index": {"_id": action["index"]["_id"], "status": status, **error}})
    return Answer(200, json.dumps({"errors": bool(bad), "items": items}).encode())


def test_bulk_says_of_each_document_what_became_of_it(service: Service) -> None:
    met: list[int] = []

    def answer(call: Call) -> Answer:
        met.append(len(call.body.splitlines()) // 2)
        late = {4: (429, "es_rejected_execution_exception")} if len(met) < 3 else {}
        return bulk(call, {2: (400, "mapper_parsing_exception"), **late})

    service.answer = answer
    (letter,) = send(there(f"{service.url}/clicks/_bulk", format="bulk"), events(6))
    assert met == [6, 1, 1], "only what failed goes again"
    assert service.calls[0].body.splitlines()[0] == b'{"index":{"_id":"%032x"}}' % 1
    assert letter.message.position == "3/0/0"
    assert letter.failure.why == "400 mapper_parsing_exception"
    assert letter.failure.final
    assert letter.failure.detail == "value of u2", "kept for the letter, not for the log"


@pytest.mark.parametrize("said", [b"", b"{}", b'{"items":[]}', b'{"items":[{}]}', b"[]", b'{"items":[{"index":{}}]}'])
def test_an_answer_that_is_none_of_bulks_is_no_success(service: Service, said: bytes) -> None:
    service.answer = lambda _: Answer(200, said)
    (letter,) = send(there(service.url, format="bulk", patience_s=1), events(1))
    assert letter.failure.why == "the answer is none of _bulk's"
    assert not letter.failure.final


@pytest.mark.parametrize(
    ("status", "options", "final"),
    [
        (400, {}, True),
        (422, {}, True),
        (413, {}, True),
        (401, {}, False),
        (403, {}, False),
        (404, {}, False),
        (409, {}, False),
        (302, {}, False),
        (429, {}, False),
        (500, {}, False),
        (503, {}, False),
        (409, {"refuse": [409]}, True),
        (400, {"retry": [400]}, False),
    ],
)
def test_each_status_means_something(service: Service, status: int, options: dict[str, Any], *, final: bool) -> None:
    service.answer = lambda _: Answer(status, b"why", (("Location", f"{service.url}/elsewhere"),))
    (letter,) = send(there(service.url, patience_s=1, **options), events(1))
    assert (letter.failure.why, letter.failure.final) == (f"HTTP {status}", final)
    assert letter.failure.detail == "why"
    assert (len(service.calls) == 1) is final
    assert {call.path for call in service.calls} == {"/"}, "nobody follows a redirect"


def test_a_bad_event_among_many_is_found_and_the_others_go(service: Service) -> None:
    service.answer = lambda call: Answer(400 if b'"n":5,' in call.body else 200)
    (letter,) = send(there(service.url, format="array"), events(8))
    assert letter.message.position == "6/0/0"


@pytest.mark.parametrize(
    ("asked", "paused"),
    [
        ("7", 7.0),
        ("1e9", 0.2),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.2),
        ("soon", 0.2),
        ("999999999", 60.0),
        ("", 0.2),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", 0.2),
    ],
)
def test_the_pause_that_a_service_asks_for_is_kept(service: Service, asked: str, paused: float) -> None:
    answers = iter([Answer(429, headers=(("Retry-After", asked),))])
    service.answer = lambda _: next(answers, Answer())
    clock = Time()
    destination = there(service.url)
    options, target = sink.parts_of(destination, Aws())
    sender = sink.sender_of(destination, options, target, clock, Ear())
    sender._jitter = lambda: 1.0
    assert sender.send(events(1)) == []
    assert clock.at == pytest.approx(paused, abs=0.5)


def test_nobody_there_and_somebody_who_hangs_up_are_a_bad_world() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        _, target = sink.parts_of(there(url), Aws())
        with pytest.raises(WorldError, match="NewConnectionError"):
            target.send(events(1))
        with pytest.raises(WorldError, match="NewConnectionError"):
            target.look()


def test_somebody_who_never_answers_is_a_bad_world() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        _, target = sink.parts_of(there(url, timeout_s=0.1), Aws())
        with pytest.raises(WorldError, match="ReadTimeoutError"):
            target.send(events(1))


@pytest.mark.parametrize(
    ("head", "drop"),
    [(b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n"), (b"Content-Length: 60000\r\n", b"x"), (b"", b"x")],
    ids=["chunks", "a length", "to the end"],
)
def test_an_answer_that_comes_drop_by_drop_is_given_up(head: bytes, drop: bytes) -> None:
    over = threading.Event()

    def drip(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
            while not over.wait(0.02):
                try:
                    connection.sendall(drop)
                except OSError:
                    return

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        thread = threading.Thread(target=drip, args=(listening,))
        thread.start()
        _, target = sink.parts_of(there(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=0.2), Aws())
        with pytest.raises(WorldError, match="its answer takes too long"):
            target.send(events(1))
        over.set()
        thread.join()


def test_a_certificate_that_nobody_vouches_for_gets_no_event_and_no_secret(service: Service) -> None:
    service.encrypt()
    _, target = sink.parts_of(there(service.url, headers={"A": "s3cret"}), Aws())
    for call in (target.look, lambda: target.send(events(1))):
        with pytest.raises(WorldError, match=r"^https://127\.0\.0\.1:\d+: SSLError$"):
            call()
    assert service.calls == []


def test_a_connection_is_used_again(service: Service) -> None:
    _, target = sink.parts_of(there(service.url), Aws())
    for _ in range(3):
        assert target.send(events(1)) == [None]
    assert len({call.peer for call in service.calls}) == 1


def test_a_query_may_be_a_secret_and_is_not_told() -> None:
    _, target = sink.parts_of(there("http://127.0.0.1:1/in?key=s3cret"), Aws())
    with pytest.raises(WorldError) as caught:
        target.send(events(1))
    assert "s3cret" not in str(caught.value)


def test_a_look_asks_whether_anybody_answers(service: Service) -> None:
    service.answer = lambda _: Answer(405)
    _, target = sink.parts_of(there(service.url), Aws())
    target.look()
    assert [call.method for call in service.calls] == ["HEAD"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"headers": {"A": {"env": "TAILRACE_X"}}}, "headers.A: found TAILRACE_X, expected a name without TAILRACE_"),
        ({"headers": {"A": {"name": "X"}}}, "headers.A: expected a text, or"),
        ({"headers": {"A": "line\nbreak"}}, "headers.A: expected printable ASCII"),
        ({"headers": {"Host": "x"}}, "headers: 'Host' cannot be set"),
        ({"headers": {"A b": "x"}}, "headers: 'A b' cannot be set"),
        ({"format": "xml"}, 'format: found "xml", expected one of json, array, ndjson, bulk'),
        ({"template": "x"}, "template: expected an object"),
        ({"retry": [200]}, "retry: found [200], expected a list, each a whole number from 300 to 599"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=r"^route there") as caught:
        sink.parts_of(there("https://example.org", **options), Aws())
    assert said in str(caught.value)


def test_a_secret_that_is_not_there_stops_a_start_and_sends_nothing_but_is_no_fault_of_the_routes(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THEIR_TOKEN", raising=False)
    destination = there(service.url, headers={"A": {"env": "THEIR_TOKEN"}})
    sink.check(destination, Settings())
    with pytest.raises(SettingsError, match=r"^route there: headers.A: the environment has no THEIR_TOKEN$"):
        sink.look(destination, Settings())
    _, target = sink.parts_of(destination, Aws())
    with pytest.raises(WorldDenied, match="has no THEIR_TOKEN"):
        target.send(events(1))
    assert service.calls == []
    monkeypatch.setenv("THEIR_TOKEN", "two\nlines")
    with pytest.raises(SettingsError, match="expected printable ASCII") as caught:
        sink.check(destination, Settings())
    assert "two" not in str(caught.value)
