"""The Redshift Data API. Rule: every call either answers, or leaves as WorldError, WorldDenied or Failed.

Statements run behind the call that submits them; who asks waits by looking again. A request with the token of an
earlier one is that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from tailrace.commit.patience import Patience, Time
from tailrace.ops import aws
from tailrace.sinks.redshift.fitting import Held, held
from tailrace.world import WorldDenied, WorldError

FIRST_LOOK_S: Final = 0.2
LONGEST_LOOK_S: Final = 5.0
ENDED: Final = frozenset({"FINISHED", "FAILED", "ABORTED"})
PASSING: Final = frozenset(
    {
        "ActiveSessionsExceededException",
        "ActiveStatementsExceededException",
        "ActiveWaitingRequestsExceededException",
        "QueryTimeoutException",
    }
)
CONNECTIONS: Final = 2
T = TypeVar("T")


class Failed(Exception):
    """A statement did not work. What it was part of is undone."""


class State(NamedTuple):
    """What is known of a statement."""

    status: str
    error: str = ""


class Warehouse:
    """One database. `target`: what every request names it by."""

    def __init__(
        self, client: Any, target: Mapping[str, str], time: Time, patience: Callable[[], Patience], timeout_s: float
    ) -> None:
        self._client, self._target = client, dict(target)
        self._time, self._patience, self._timeout_s = time, patience, timeout_s

    def submit(self, statements: Sequence[str], token: str) -> str:
        """Have statements run as one transaction; return its id. The same token is the same request."""
        answer = self._asked(
            "submit",
            lambda: self._client.batch_execute_statement(Sqls=list(statements), ClientToken=token, **self._target),
        )
        return str(answer["Id"])

    def state(self, statement: str) -> State | None:
        """Return how a statement stands; None where the Data API has forgotten it, as it does after a day."""
        try:
            answer = self._asked("look at", lambda: self._client.describe_statement(Id=statement))
        except _Missing:
            return None
        return State(answer["Status"], answer.get("Error", ""))

    def wait(self, statement: str, tick: Callable[[], None] = lambda: None) -> State | None:
        """Return how a statement ended. WorldError when it has not in time: then it may still."""
        end, pause = self._time.monotonic() + self._timeout_s, FIRST_LOOK_S
        while True:
            found = self.state(statement)
            if found is None or found.status in ENDED:
                return found
            if self._time.monotonic() >= end:
                raise WorldError(f"statement {statement} is {found.status} after {self._timeout_s:g} s")
            tick()
            self._time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK_S)

    def run(self, sql: str) -> list[list[Any]]:
        """Run one statement; return its rows. Raises Failed. One that only looks, or may run twice."""
        answer = self._asked("run", lambda: self._client.execute_statement(Sql=sql, **self._target))
        ended = self.wait(answer["Id"])
        if ended is None or ended.status != "FINISHED":
            raise Failed(ended.error if ended else "the Data API has forgotten it")
        if not sql.startswith("SELECT"):
            return []
        rows: list[list[Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self._asked("read", partial(self._client.get_statement_result, Id=answer["Id"], **more))
            rows += [[_value(field) for field in record] for record in page["Records"]]
            if not page.get("NextToken"):
                return rows
            more = {"NextToken": page["NextToken"]}

    def columns(self, schema: str, table: str) -> list[Held]:
        """Return a table's columns in their order, none where there is no such table."""
        found: list[Held] = []
        more: dict[str, str] = {}
        while True:
            asked = {"Schema": schema, "Table": table, **more, **self._target}
            try:
                page = self._asked("describe", partial(self._client.describe_table, **asked))
            except _Missing:
                return []
            found += [
                held(one["name"], one["typeName"], one.get("length"))
                for one in page.get("ColumnList", ())
                if one.get("tableName", table) == table  # of this one, however its name is matched
            ]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}

    def _asked(self, verb: str, call: Callable[[], T]) -> T:
        patience = self._patience()
        while True:
            patience.trying()
            try:
                return _once(verb, call)
            except WorldError as error:
                patience.wait(error)


class _Missing(WorldDenied):
    """There is no such statement, or table."""


def _once(verb: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        if aws.code(error) == "ResourceNotFoundException":
            raise _Missing(str(error)) from error
        if aws.code(error) in PASSING:
            raise WorldError(f"Redshift: {verb}: {aws.code(error)}") from error
        aws.raise_world(error, f"Redshift: {verb}")
    except BotoCoreError as error:
        aws.raise_world(error, f"Redshift: {verb}")


def _value(field: Mapping[str, Any]) -> Any:
    ((kind, value),) = field.items()
    return None if kind == "isNull" else value
