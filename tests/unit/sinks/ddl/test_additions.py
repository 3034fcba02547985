"""What a change of the schemas adds: columns at the end; all else is refused, and each refusal says where."""

from __future__ import annotations

import json

import pytest

from tailrace.sinks.ddl.additions import Step, model, step
from tailrace.sinks.ddl.athena import Athena
from tailrace.sinks.ddl.model import Column, DdlError, Relation, plain
from tailrace.sinks.ddl.redshift import Redshift
from tailrace.sinks.lake.layout import Layout

REDSHIFT = Redshift("db", lambda _table: {})
ATHENA = Athena("db", "s3://b/l", Layout(), "2020-01-01")
A, B, C = Column("a", "BIGINT"), Column("b", "VARCHAR(10)"), Column("c", "SUPER")


def table(*columns: Column, name: str = "k", partitions: tuple[Column, ...] = ()) -> Relation:
    return Relation(f"{name}/v1", f"{name}_v1", columns, partitions)


def stepped(before: list[Relation], now: list[Relation], dialect: Redshift | Athena = REDSHIFT) -> Step:
    data = json.dumps(plain("engine", "db", before)).encode()
    return step(model(data, "old.json", "engine", "db"), now, dialect)


def test_nothing_new_is_nothing_to_do() -> None:
    assert stepped([table(A, B)], [table(A, B)]) == Step([], [], new=False)


def test_columns_are_added_at_the_end() -> None:
    assert stepped([table(A)], [table(A, B, C)]).statements == [
        'ALTER TABLE "db"."k_v1" ADD COLUMN "b" VARCHAR(10);',
        'ALTER TABLE "db"."k_v1" ADD COLUMN "c" SUPER;',
    ]


def test_athena_adds_them_at_once() -> None:
    added = Column("c", "struct<end:int>")
    found = stepped([table(A)], [table(A, B, added)], ATHENA)
    assert found.statements == ["ALTER TABLE `db`.`k_v1` ADD COLUMNS (`b` VARCHAR(10), `c` struct<`end`:int>);"]


def test_a_new_table_is_made_and_one_that_is_gone_stays() -> None:
    found = stepped([table(A)], [table(A, name="other")])
    assert found == Step([REDSHIFT.create(table(A, name="other"))], [], new=True)


def test_a_text_may_get_wider_and_never_narrower() -> None:
    assert stepped([table(B)], [table(Column("b", "VARCHAR(20)"))]).statements == [
        'ALTER TABLE "db"."k_v1" ALTER COLUMN "b" TYPE VARCHAR(20);',
    ]
    assert stepped([table(B)], [table(Column("b", "VARCHAR(5)"))]) == Step([], [], new=False)


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ((A, Column("b", "BIGINT")), '2: found "b" BIGINT, expected "b" VARCHAR(10)'),
        ((B, A), '1: found "b" VARCHAR(10), expected "a" BIGINT'),
        ((A,), '2: found no column, expected "b" VARCHAR(10)'),
        ((A, C, B), '2: found "c" SUPER, expected "b" VARCHAR(10)'),
    ],
    ids=["other type", "moved", "gone", "put in between"],
)
def test_a_column_that_changed_or_moved_is_refused(now: tuple[Column, ...], found: str) -> None:
    assert stepped([table(A, B)], [table(*now)]).refusals == [
        f"k/v1, column {found} as before: columns are only added, at the end"
    ]


def test_every_table_that_cannot_follow_is_named() -> None:
    before = [table(A), table(B, name="l"), table(C, name="m", partitions=(Column("dt", "string"),))]
    now = [table(B), table(A, name="l"), table(C, name="m", partitions=(Column("p_dt", "string"),))]
    found = stepped(before, now).refusals
    assert [one.split(",")[0] for one in found[:2]] == ["k/v1", "l/v1"]
    assert found[2] == 'm/v1: found "m_v1" by p_dt, expected "m_v1" by dt as before: it needs a new table'


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"{", "expected what `tailrace ddl redshift --json` printed"),
        (b'{"engine": "redshift"}', "expected what `tailrace ddl redshift --json` printed"),
        (json.dumps(plain("athena", "db", [])).encode(), 'found tables of "athena" in "db", expected redshift and db'),
        (
            json.dumps(plain("redshift", "x", [])).encode(),
            'found tables of "redshift" in "x", expected redshift and db',
        ),
    ],
    ids=["no JSON", "no tables", "another engine", "another database"],
)
def test_a_file_that_is_no_such_model_is_refused(data: bytes, found: str) -> None:
    with pytest.raises(DdlError) as error:
        model(data, "old.json", "redshift", "db")
    assert str(error.value).startswith("old.json: ")
    assert found in str(error.value)
