import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tailrace.ops import metrics, metrics_server
from tailrace.ops.metrics_server import Page, Server, Sheet

CHILD = """
import os, sys
from tailrace.ops import metrics
metrics.RECORDS.labels("a").inc(float(sys.argv[1]))
metrics.PLAN_ROWS.labels("lake").observe(float(sys.argv[1]))
metrics.BEHIND.labels("a").set(float(sys.argv[1]))
metrics.SHARD_STOPPED.labels("a").set(1)
metrics.WORLD_ERRORS.labels("place").inc(2)
print("up", flush=True)
sys.stdin.readline()
os._exit(1)
"""


class Child:
    """A process that counted, and waits to die."""

    def __init__(self, folder: Path, count: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(count)],
            env={"PROMETHEUS_MULTIPROC_DIR": str(folder), "PYTHONPATH": ":".join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"up\n"

    @property
    def pid(self) -> int:
        return self.process.pid

    def die(self) -> None:
        self.process.kill()
        self.process.communicate()


class World:
    """A folder with children; the dead are those the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Child] = []
        self.sheet = Sheet(
            folder, lambda pid: any(c.pid == pid and c.process.returncode is None for c in self.children)
        )

    def child(self, count: float) -> Child:
        self.children.append(Child(self.folder, count))
        return self.children[-1]

    def value(self, name: str, **labels: str) -> float | None:
        families = text_string_to_metric_families(metrics_server.metrics_page(self.sheet).body.decode())
        found = [
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and sample.labels.items() >= labels.items()
        ]
        assert len(found) <= 1
        return found[0] if found else None


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    for child in made.children:
        child.die()


def test_children_are_added_up_and_totals_never_go_back(world: World) -> None:
    first, second = world.child(5), world.child(7)
    assert world.value("tailrace_records_total", shard="a") == 12
    first.die()
    assert world.value("tailrace_records_total", shard="a") == 12
    second.die()
    assert world.value("tailrace_records_total", shard="a") == 12
    world.child(1)
    assert world.value("tailrace_records_total", shard="a") == 13
    assert world.value("tailrace_plan_rows_count", lane="lake") == 3
    assert world.value("tailrace_plan_rows_sum", lane="lake") == 13
    assert world.value("tailrace_plan_rows_bucket", lane="lake", le="5000.0") == 3
    assert world.value("tailrace_plan_rows_bucket", lane="lake", le="1.0") == 1


def test_gauges_of_the_dead_go(world: World) -> None:
    first = world.child(5)
    assert world.value("tailrace_behind_seconds", shard="a") == 5
    assert world.sheet.values(metrics.name_of(metrics.SHARD_STOPPED), "shard") == {"a": 1}
    assert world.sheet.raised(metrics.name_of(metrics.SHARD_STOPPED), "shard") == [("a",)]
    first.die()
    assert world.value("tailrace_behind_seconds", shard="a") is None
    assert world.sheet.values(metrics.name_of(metrics.SHARD_STOPPED), "shard") == {}
    assert world.sheet.values(metrics.name_of(metrics.WORLD_ERRORS), "service") == {"place": 2}


def test_the_newest_living_child_tells_a_shards_gauge(world: World) -> None:
    world.child(5)
    world.child(3)
    assert world.value("tailrace_behind_seconds", shard="a") == 3


def test_files_do_not_pile_up(world: World) -> None:
    for count in range(4):
        world.child(count).die()
        world.sheet.sweep()
    assert sorted(path.name for path in world.folder.iterdir()) == ["counter_archive.db", "histogram_archive.db"]
    assert world.sheet.sweep() == 0


def test_a_dead_childs_broken_file_is_put_away(world: World) -> None:
    (world.folder / "counter_1.db").write_bytes(b"\x01")
    (world.folder / "histogram_1.db").write_bytes(b"")
    world.child(2)
    assert world.value("tailrace_records_total", shard="a") == 2
    assert not (world.folder / "counter_1.db").exists()


def test_the_supervisors_own_stand_beside(tmp_path: Path) -> None:
    own = [metrics_server.counter(metrics.JVM_RESTARTS, 3), metrics_server.gauge(metrics.DAEMON_UP, 1)]
    text = Sheet(tmp_path, lambda _: True, lambda: own).text().decode()
    assert "tailrace_jvm_restarts_total 3.0" in text
    assert "tailrace_daemon_up 1.0" in text


def broken() -> Page:
    raise ValueError("no")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(
        "127.0.0.1",
        0,
        {
            "/well": lambda: metrics_server.verdict_page([]),
            "/noted": lambda: metrics_server.verdict_page([], ["three"]),
            "/ill": lambda: metrics_server.verdict_page(["one", "two"]),
            "/broken": broken,
        },
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/well", 200, "ok\n"),
        ("/well?x=1", 200, "ok\n"),
        ("/noted", 200, "ok\nthree\n"),
        ("/ill", 503, "one\ntwo\n"),
        ("/none", 404, "there are /well, /noted, /ill, /broken\n"),
        ("/broken", 500, "the page failed; the log says why\n"),
    ],
)
def test_pages(server: Server, path: str, status: int, body: str) -> None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=10) as answer:
            found = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            found = error.code, error.read().decode()
    assert found == (status, body)
