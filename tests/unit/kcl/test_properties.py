import zipfile
from typing import Any

import pytest

from tailrace import settings as s
from tailrace.kcl import jars, properties
from tailrace.kcl.properties import First, Place

PLACE = Place("/v/bin/python", "/run/settings.json")
TRIM = First("TRIM_HORIZON", 1_700_000_000_000)
AT = First("AT_TIMESTAMP", 1_700_000_000_999)


def keys(first: First = TRIM, *, stream: dict[str, Any] | None = None, **kcl: Any) -> dict[str, str]:
    settings = s.Settings(stream=s.Stream(name="clicks", **(stream or {})), kcl=s.Kcl(**kcl))
    return properties.properties(settings, PLACE, "host:1", first)


@pytest.fixture(scope="module")
def setters() -> bytes:
    """Every class of the daemon's configuration: the bytes hold the names of its setters."""
    with zipfile.ZipFile(jars.folder() / f"amazon-kinesis-client-multilang-{jars.VERSION}.jar") as jar:
        return b"".join(jar.read(name) for name in jar.namelist() if "/multilang/config/" in name)


EVERYTHING = keys(quick_start=True, lease_assignment_ms=5) | keys(AT, stream={"retrieval": "FANOUT"})
EVERYTHING |= properties.properties(
    s.Settings(aws=s.Aws(kinesis_endpoint="http://a", dynamodb_endpoint="http://b")), PLACE, "w", TRIM
)


@pytest.mark.parametrize("key", sorted(EVERYTHING))
def test_the_daemon_knows_every_key(key: str, setters: bytes) -> None:
    """KCL ignores a key it does not know; a new KCL that dropped or renamed one is noticed here."""
    if key == "executableName":  # read by the daemon itself
        return
    name = key.rpartition(".")[2]
    assert f"set{name[0].upper()}{name[1:]}".encode() in setters


def test_what_the_daemon_would_ignore_is_noticed(setters: bytes) -> None:
    assert b"setShardConsumerDispatchPollIntervalMillis" not in setters
    assert b"setRetrievalMode" in setters


@pytest.mark.parametrize(
    "key",
    ["retrievalMode", "shutdownGraceMillis", "timeoutInSeconds", "workerId", "AwsCredentialsProvider", "regionName"],
)
def test_what_has_a_dangerous_default_is_always_written(key: str) -> None:
    assert keys()[key]


@pytest.mark.parametrize("first", [TRIM, AT])
def test_the_position_is_always_written_once_and_never_latest(first: First) -> None:
    found = keys(first)
    assert ("initialPositionInStream" in found) != ("initialPositionInStreamExtended" in found)
    assert "LATEST" not in properties.text(found)


def test_a_time_is_given_in_whole_seconds_before_it() -> None:
    assert keys(AT)["initialPositionInStreamExtended"] == "1700000000"


def test_no_false_and_no_zero_is_written() -> None:
    assert not {"false", "0"} & set(EVERYTHING.values())


def test_seconds_become_milliseconds() -> None:
    found = keys(shutdown_grace_s=7, turn_timeout_s=400)
    assert (found["shutdownGraceMillis"], found["timeoutInSeconds"]) == ("7000", "400")


def test_polling_is_the_default_and_fan_out_names_its_consumer() -> None:
    assert keys()["retrievalMode"] == "POLLING"
    found = keys(stream={"retrieval": "FANOUT"}, application="app")
    assert (found["retrievalMode"], found["fanoutConfig.consumerName"]) == ("FANOUT", "app")


def test_the_command_has_no_blank_but_between_its_words() -> None:
    assert keys()["executableName"].split(" ") == ["/v/bin/python", "-m", "tailrace.kcl.child", "/run/settings.json"]


def test_a_set_interval_wins_over_the_quick_one() -> None:
    assert keys(quick_start=True, lease_assignment_ms=9000)["leaseAssignmentIntervalMillis"] == "9000"
    assert "leaseAssignmentIntervalMillis" not in keys()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain=text:with#all!", "plain=text:with#all!"),
        ("back\\slash", "back\\\\slash"),
        ("é", "\\u00e9"),
        ("\U0001f600", "\\ud83d\\ude00"),
        ("a\nb", "a\\u000ab"),
        (" first", "\\ first"),
    ],
)
def test_values_are_escaped_the_way_java_reads_them(value: str, written: str) -> None:
    assert properties.text({"key": value}) == f"key={written}\n"


class TestHeap:
    def test_it_follows_leases_and_lines(self) -> None:
        assert properties.heap_mb(s.Settings(kcl=s.Kcl(max_leases=16, line_mb=35))) == 128 + 16 * 35 * 4

    def test_it_has_a_floor(self) -> None:
        assert properties.heap_mb(s.Settings(kcl=s.Kcl(max_leases=1, line_mb=5))) == 256

    def test_the_set_one_wins(self) -> None:
        assert properties.heap_mb(s.Settings(kcl=s.Kcl(heap_mb=3000))) == 3000
        assert "-Xmx3000m" in properties.flags(s.Settings(kcl=s.Kcl(heap_mb=3000)), 17)


class TestFlags:
    def test_always(self) -> None:
        found = properties.flags(s.Settings(), 17)
        assert {"-Dfile.encoding=UTF-8", "-XX:+UseSerialGC"} <= set(found)
        assert "-Daws.cborEnabled=false" not in found

    def test_cbor_is_off_for_stand_ins_alone(self) -> None:
        assert "-Daws.cborEnabled=false" in properties.flags(s.Settings(aws=s.Aws(kinesis_endpoint="http://x")), 17)

    def test_a_quick_start_compiles_less(self) -> None:
        assert "-XX:TieredStopAtLevel=1" in properties.flags(s.Settings(kcl=s.Kcl(quick_start=True)), 17)
        assert "-XX:TieredStopAtLevel=1" not in properties.flags(s.Settings(), 17)

    def test_flags_stand_before_the_class(self) -> None:
        command = properties.command("java", ["-Xmx1m"], "/jars", "/p", "/l")
        assert command.index("-Xmx1m") < command.index(properties.MAIN_CLASS)
        assert command[command.index("-cp") + 1] == "/jars/*"
