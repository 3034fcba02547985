"""A Redshift Data API for one machine, strict. Rule: what Redshift would refuse, this refuses; DuckDB does the rest.

Only the statements of `tailrace load` and `tailrace ddl redshift` are known. COPY takes a manifest to the byte, columns
by position and type, and texts no wider than declared. A batch is one transaction and has a session of its own. What
this does not show: Redshift's planner, its locks between sessions, its own reader of Parquet.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from local.process import LOOPBACK
from local.redshift_sql import Engine, SqlError

PREFIX = "RedshiftData."
STATEMENTS_MAX = 40
STATEMENT_BYTES_MAX = 100_000
PAGE_ROWS = 3  # small, so that whoever reads must turn pages
Json = dict[str, Any]


class RefusedError(Exception):
    """A request that the service does not take: its code and words."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class Faults:
    """What goes wrong on purpose. Each is taken once, by the next request it concerns."""

    def __init__(self) -> None:
        self.lose_replies: list[str] = []  # actions whose next reply does not arrive, though it is done
        self.forget: set[str] = set()  # statements that nobody remembers
        self.forgets_waiting = threading.Event()  # while set, those that have not ended either
        self.held = threading.Event()  # while clear, transactions wait before they begin
        self.held.set()
        self.skip = threading.Event()  # once set, those sent from then on do not wait

    def lost(self, action: str) -> bool:
        """Say whether this reply gets lost."""
        if action not in self.lose_replies:
            return False
        self.lose_replies.remove(action)
        return True


class Service:
    """The actions, on plain values."""

    def __init__(self, read: Callable[[str], bytes], *, workgroup: str = "local", database: str = "dev") -> None:
        """`read`: the bytes of an object by its URL; FileNotFoundError where there is none."""
        self.engine = Engine(read)
        self.faults = Faults()
        self.calls: list[str] = []
        self._named = {"WorkgroupName": workgroup, "Database": database}
        self._statements: dict[str, Json] = {}
        self._tokens: dict[str, tuple[list[str], str]] = {}
        self._waiting: list[threading.Thread] = []
        self._guard, self._turn = threading.Lock(), threading.Lock()

    def answer(self, action: str, asked: Json) -> Json:
        """Do what is asked. Raises RefusedError."""
        with self._guard:
            self.calls.append(action)
        actions: Mapping[str, Callable[[Json], Json]] = {
            "BatchExecuteStatement": lambda asked: self._submit(asked, asked["Sqls"], "Sqls"),
            "ExecuteStatement": lambda asked: self._submit(asked, [asked["Sql"]], "Sql"),
            "DescribeStatement": self._describe,
            "GetStatementResult": self._result,
            "DescribeTable": self._table,
        }
        if action not in actions:
            raise RefusedError("UnknownOperationException", action)
        return actions[action](asked)

    def release(self) -> None:
        """Let the transactions that wait run; return when they have."""
        self.faults.held.set()
        while self._waiting:
            self._waiting.pop().join()

    def _submit(self, asked: Json, sqls: Sequence[str], form: str) -> Json:
        self._check(asked, {form, "ClientToken"})
        if not 1 <= len(sqls) <= STATEMENTS_MAX:
            raise RefusedError("ValidationException", f"{len(sqls)} statements, expected 1 to {STATEMENTS_MAX}")
        if any(len(sql.encode()) > STATEMENT_BYTES_MAX for sql in sqls):
            raise RefusedError("ValidationException", f"a statement is longer than {STATEMENT_BYTES_MAX} bytes")
        waits = len(sqls) > 1 and not (self.faults.held.is_set() or self.faults.skip.is_set())
        with self._guard:
            token = asked.get("ClientToken", str(uuid.uuid4()))
            known, id_ = self._tokens.setdefault(token, (list(sqls), str(uuid.uuid4())))
            if known != list(sqls):
                raise RefusedError("ValidationException", "this client token came with other statements")
            new = id_ not in self._statements
            self._statements.setdefault(id_, {"Status": "SUBMITTED"})
        if new and waits:
            self._waiting.append(threading.Thread(target=self._later, args=(id_, list(sqls)), daemon=True))
            self._waiting[-1].start()
        elif new:  # at once, so that a test's calls are the same each time
            self._run(id_, list(sqls))
        return {"Id": id_, **self._named}

    def _later(self, id_: str, sqls: list[str]) -> None:
        self.faults.held.wait()
        self._run(id_, sqls)

    def _run(self, id_: str, sqls: list[str]) -> None:
        with self._turn:
            try:
                found = {"Status": "FINISHED", "Result": self.engine.transaction(sqls)}
            except SqlError as error:
                found = {"Status": "FAILED", "Error": f"ERROR: {error}"}
        with self._guard:
            self._statements[id_] = found

    def _describe(self, asked: Json) -> Json:
        found = self._statement(asked)
        return {"Id": asked["Id"], **{name: found[name] for name in ("Status", "Error") if name in found}}

    def _result(self, asked: Json) -> Json:
        rows = self._statement(asked).get("Result")
        if rows is None:
            raise RefusedError("ResourceNotFoundException", "Query does not have result.")
        start = int(asked.get("NextToken", 0))
        page = {"Records": [[_field(value) for value in row] for row in rows[start : start + PAGE_ROWS]]}
        return page | ({"NextToken": str(start + PAGE_ROWS)} if start + PAGE_ROWS < len(rows) else {})

    def _statement(self, asked: Json) -> Json:
        with self._guard:
            found = self._statements.get(asked["Id"])
        waits = found is not None and found["Status"] == "SUBMITTED" and self.faults.forgets_waiting.is_set()
        if found is None or waits or asked["Id"] in self.faults.forget:
            raise RefusedError("ResourceNotFoundException", "Query does not exist.")
        return found

    def _table(self, asked: Json) -> Json:
        self._check(asked, {"Schema", "Table", "NextToken"})
        columns = self.engine.described(asked["Schema"], asked["Table"])
        start = int(asked.get("NextToken", 0))
        page = {"TableName": asked["Table"], "ColumnList": columns[start : start + PAGE_ROWS]}
        return page | ({"NextToken": str(start + PAGE_ROWS)} if start + PAGE_ROWS < len(columns) else {})

    def _check(self, asked: Json, more: set[str]) -> None:
        if {name: asked.get(name) for name in self._named} != self._named or asked.keys() - self._named.keys() - more:
            raise RefusedError("ValidationException", f"found {sorted(asked.items())}, expected {self._named}")


def _field(value: Any) -> Json:
    if value is None:
        return {"isNull": True}
    return {"longValue": value} if isinstance(value, int) else {"stringValue": str(value)}


class Server:
    """The service on a free port of this machine, in threads of this process."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._http = ThreadingHTTPServer((LOOPBACK, 0), _handler(service))
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """What goes into an endpoint setting."""
        return f"http://{LOOPBACK}:{self._http.server_address[1]}"

    def stop(self) -> None:
        """End it."""
        self.service.release()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: else each reply waits for the other side's 40 ms

        def do_POST(self) -> None:
            action = self.headers["X-Amz-Target"].removeprefix(PREFIX)
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, body = 200, service.answer(action, asked)
            except RefusedError as error:
                status, body = 400, {"__type": error.code, "message": str(error)}
            if service.faults.lost(action):
                self.close_connection = True
                return
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
