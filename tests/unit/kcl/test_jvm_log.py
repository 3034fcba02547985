import pytest

from tailrace.kcl import jvm_log
from tailrace.kcl.jvm_log import JvmLine


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "|WARN|software.amazon.kinesis.worker.WorkerMetricsSelector||Did not find a provider. / \n",
            JvmLine("warning", "WorkerMetricsSelector", None, "Did not find a provider."),
        ),
        (
            "|ERROR|a.b.ShardConsumer|shardId-000000000001|x|y / java.lang.Z: no / \tat a.b",
            JvmLine("error", "ShardConsumer", "shardId-000000000001", "x|y / java.lang.Z: no / \tat a.b"),
        ),
        (
            "|ERROR|s.a.Drain|shardId-1|Received error line from subprocess [Traceback (most] for shard shardId-1 / ",
            JvmLine("warning", "child", "shardId-1", "Traceback (most"),
        ),
        ("# A fatal error has been detected\n", JvmLine("warning", "jvm", None, "# A fatal error has been detected")),
        ("|odd|line", JvmLine("warning", "jvm", None, "|odd|line")),
    ],
)
def test_every_line_becomes_one_of_ours(text: str, expected: JvmLine) -> None:
    assert jvm_log.parse(text) == expected


def test_blank_lines_say_nothing() -> None:
    assert jvm_log.parse(" \n") is None


def test_a_page_is_cut() -> None:
    found = jvm_log.parse("x" * 100_000)
    assert found is not None
    assert len(found.message) == jvm_log.MESSAGE_CHARS_MAX + 3


@pytest.mark.parametrize(
    ("text", "doomed"),
    [
        ("|ERROR|a.MultiLangShardRecordProcessor|s|Encountered an error while trying to process records / x", True),
        ("|ERROR|a.MultiLangShardRecordProcessor|s|Encountered an error while trying to shutdown child process", True),
        ("|ERROR|a.MultiLangProtocol|s|Failed to get status message for processRecords action for shard s", False),
        ("|ERROR|a.ShardConsumer|s|Encountered an error while trying to process records", False),
    ],
)
def test_a_daemon_that_will_end_is_known_by_its_words(text: str, *, doomed: bool) -> None:
    line = jvm_log.parse(text)
    assert line is not None
    assert jvm_log.is_doomed(line) is doomed
