"""Athena's tables: partitions that need no announcing, names it can have, and the same for Glue."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from tailrace.nouns import Table
from tailrace.schema.book import QUARANTINE
from tailrace.sinks.ddl.athena import Athena, Glue
from tailrace.sinks.ddl.model import Column, DdlError
from tailrace.sinks.lake.layout import Layout

TEXT, INTEGER = pa.string(), pa.int64()


def athena(lake: str = "s3://bucket/lake", future_hours: int = 1, tenant_partition: bool = False) -> Athena:
    layout = Layout(future_hours=future_hours, tenant_partition=tenant_partition)
    return Athena("db", lake, layout, "2024-05-01")


def table(*columns: tuple[str, pa.DataType], name: str = "k/v1") -> Table:
    return Table(name, pa.schema(columns), ())


def properties(made: Athena, of: Table) -> dict[str, str]:
    found: dict[str, str] = Glue(made).request(made.relation(of, "k"))["TableInput"]["Parameters"]
    return found


def test_each_type_has_its_column() -> None:
    kinds = [
        TEXT, pa.bool_(), pa.int32(), INTEGER, pa.float32(), pa.float64(), pa.timestamp("us", "UTC"), pa.date32(),
        pa.binary(), pa.decimal128(9, 3), pa.list_(pa.struct([("End", TEXT), ("n", pa.list_(INTEGER))])),
    ]  # fmt: skip
    found = athena().relation(table(*((f"c{at}", kind) for at, kind in enumerate(kinds))), "k")
    assert [column.type for column in found.columns] == [
        "string", "boolean", "int", "bigint", "float", "double", "timestamp", "date",
        "binary", "decimal(9,3)", "array<struct<end:string,n:array<bigint>>>",
    ]  # fmt: skip
    assert "`c10` array<struct<`end`:string,`n`:array<bigint>>>" in athena().create(found)


def test_names_it_does_not_take_are_left_out_and_said() -> None:
    inner = pa.struct([("a:string,b", TEXT), ("ok", TEXT)])
    found = athena().relation(
        table(("a", TEXT), ("x.y", TEXT), ("s", inner), ("t", pa.struct([("-", TEXT)])), ("Z", INTEGER)), "k"
    )
    assert found.columns == (Column("a", "string"), Column("s", "struct<ok:string>"), Column("z", "bigint"))
    assert found.left_out == ("x.y", "s.a:string,b", "t.-", "t")
    head = athena().create(found).splitlines()[0]
    assert head == '-- "k/v1", left out for their names: "x.y", "s.a:string,b", "t.-", "t"'


def test_events_are_projected_by_day_and_hour() -> None:
    found = properties(athena(future_hours=1), table(("a", TEXT)))
    assert {key.removeprefix("projection."): value for key, value in found.items() if "projection" in key} == {
        "enabled": "true",
        "dt.type": "date",
        "dt.format": "yyyy-MM-dd",
        "dt.range": "2024-05-01,NOW+1DAYS",
        "dt.interval": "1",
        "dt.interval.unit": "DAYS",
        "hh.type": "integer",
        "hh.range": "0,23",
        "hh.digits": "2",
    }
    assert found["storage.location.template"] == "s3://bucket/lake/k/v1/dt=${dt}/hh=${hh}/"


@pytest.mark.parametrize(("hours", "days"), [(0, 1), (24, 1), (25, 2), (72, 3)])
def test_days_ahead_are_those_that_events_may_lie_in(hours: int, days: int) -> None:
    assert properties(athena(future_hours=hours), table(("a", TEXT)))["projection.dt.range"].endswith(f"NOW+{days}DAYS")


def test_tenants_are_named_by_each_query_or_all_beforehand() -> None:
    one = athena(tenant_partition=True)
    found = properties(one, table(("a", TEXT)))
    assert found["projection.p_tenant.type"] == "injected"
    assert found["storage.location.template"] == "s3://bucket/lake/k/v1/p_tenant=${p_tenant}/dt=${dt}/hh=${hh}/"
    found = properties(one._replace(tenants=("north", "a b,c")), table(("a", TEXT)))
    assert (found["projection.p_tenant.type"], found["projection.p_tenant.values"]) == ("enum", "north,a%20b%2Cc")


def test_views_have_the_keys_that_a_query_must_name() -> None:
    made = athena(tenant_partition=True)
    events = [made.relation(table(("a", TEXT), name=name), name) for name in ("k/v1", "l/v1")]
    views = made.views([*events, made.relation(QUARANTINE, "quarantine")]).split("\n\n")
    assert views[0].count('"p_tenant" AS p_tenant, "dt" AS dt') == 2
    assert "quarantine" not in views[0]
    for view, by in zip(views[1:], ("1, 2, 3, 5, 6", "1, 2, 5, 6"), strict=True):
        assert "AS events, p_tenant, dt\n" in view
        assert view.endswith(f" GROUP BY {by};")
    assert athena().views([athena().relation(QUARANTINE, "quarantine")]) == ""


def test_the_quarantine_is_projected_by_stage() -> None:
    found = athena().relation(QUARANTINE, "quarantine")
    assert found.partitions == (Column("dt", "string"), Column("p_stage", "string"))
    said = properties(athena(tenant_partition=True), QUARANTINE)
    assert said["projection.p_stage.values"].split(",") == [
        "decode", "parse", "contract", "schema", "columns", "internal",
    ]  # fmt: skip
    assert said["storage.location.template"] == "s3://bucket/lake/quarantine/dt=${dt}/stage=${p_stage}/"


def test_a_member_called_like_a_key_keeps_its_name() -> None:
    of = table(("dt", TEXT), ("p_dt", TEXT), ("HH", TEXT))
    found = athena().relation(of, "k")
    assert [column.name for column in found.columns] == ["dt", "p_dt", "hh"]
    assert [column.name for column in found.partitions] == ["p_dt_2", "p_hh"]
    template = properties(athena(), of)["storage.location.template"]
    assert template == "s3://bucket/lake/k/v1/dt=${p_dt_2}/hh=${p_hh}/"
    assert '"p_dt_2" AS dt' in athena().views([found])


@pytest.mark.parametrize(
    "lake", ["", "/data/lake", "s3://bucket/it's", "s3://bucket/${x}", "s3://bucket/a\nb", "s3://"]
)
def test_a_lake_that_athena_cannot_read_is_refused(lake: str) -> None:
    made = athena(lake)
    with pytest.raises(DdlError, match=r"^\[lake\] uri: found .*, expected s3://bucket/prefix of plain characters$"):
        made.create(made.relation(table(("a", TEXT)), "k"))


def test_glue_is_asked_for_the_same_table() -> None:
    glue = Glue(athena())
    relation = glue.relation(table(("a", TEXT), ("b", pa.list_(INTEGER))), "k_v1")
    line = glue.create(relation)
    assert "\n" not in line
    request = json.loads(line)
    assert request["DatabaseName"] == "db"
    assert request["TableInput"]["Name"] == "k_v1"
    storage = request["TableInput"]["StorageDescriptor"]
    assert storage["Columns"] == [{"Name": "a", "Type": "string"}, {"Name": "b", "Type": "array<bigint>"}]
    assert storage["Location"] == "s3://bucket/lake/k/v1/"
    assert request["TableInput"]["PartitionKeys"] == [{"Name": "dt", "Type": "string"}, {"Name": "hh", "Type": "int"}]
    assert glue.views([relation]) == ""
