"""Stand-ins for AWS, each one process. Rule: loopback only, on a free port, everything in the given folder.

Which one for what: ministack for the pipeline (Kinesis, DynamoDB and S3 in one), kinesis-local for resharding,
DynamoDB Local for races on the ledger. The last two are not on PyPI: `make node` and `make ddb` fetch them.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from local.process import LOOPBACK, NotComeTogetherError, Process, environment, free_port, get, http_answers

PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parent.parent
NODE_HOME = "LOCAL_NODE_HOME"  # where `make node` put node_modules; else .node
DDB_HOME = "LOCAL_DDB_HOME"  # where `make ddb` put the jars; else .ddb


class StandIn(Process):
    """A running stand-in and its address."""

    port: int

    @property
    def url(self) -> str:
        """What goes into an endpoint setting."""
        return f"http://{LOOPBACK}:{self.port}"


class MissingError(Exception):
    """A stand-in is not installed here. The message says how to get it."""


def start_ministack(folder: Path, port: int = 0) -> StandIn:
    """Start Kinesis, DynamoDB and S3."""
    port = port or free_port()
    state = folder / "ministack"
    (state / "tmp").mkdir(parents=True, exist_ok=True)
    env = environment(
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST=LOOPBACK,
        GATEWAY_PORT=str(port),
        STATE_DIR=str(state / "state"),
        S3_DATA_DIR=str(state / "s3"),
        TMPDIR=str(state / "tmp"),
        LOG_LEVEL="WARNING",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",  # else it also listens on 8883
        DOCKER_HOST=f"unix://{state}/no-docker.sock",
    )
    process = StandIn("ministack", [sys.executable, "-m", "ministack"], folder, env=env)
    return _ready(process, port, lambda: http_answers(port, "/_ministack/health"))


def node_home() -> Path:
    """Return the folder of kinesis-local. MissingError when it, or node, is not there."""
    if shutil.which("node") is None:
        raise MissingError("node is not installed")
    home = Path(os.environ.get(NODE_HOME) or ROOT / ".node") / "node_modules" / "kinesis-local"
    if not (home / "main.js").exists():
        raise MissingError(f"kinesis-local is not in {home}: make node")
    return home


def start_kinesis_local(folder: Path) -> StandIn:
    """Start a Kinesis whose shards really split and end."""
    home, port = node_home(), free_port()
    env = environment(
        KINESIS_MOCK_PLAIN_PORT=str(port),
        KINESIS_MOCK_TLS_PORT=str(free_port()),
        LOG_LEVEL="WARN",
        SHARD_LIMIT="50",
    )
    # It opens server.json in the folder it runs in.
    command = ["node", "--require", str(Path(__file__).with_name("loopback.cjs")), "main.js"]
    process = StandIn("kinesis-local", command, folder, env=env, cwd=home)
    return _ready(process, port, lambda: _listens(port) and http_answers(port, "/healthcheck"))


def ddb_home() -> Path:
    """Return the folder of DynamoDB Local's jars. MissingError when it, or a JDK, is not there."""
    if shutil.which("javac") is None:
        raise MissingError("no JDK is installed (javac)")
    home = Path(os.environ.get(DDB_HOME) or ROOT / ".ddb")
    found = sorted(home.rglob("DynamoDBLocal-*.jar"))
    if not found:
        raise MissingError(f"DynamoDB Local is not in {home}: make ddb")
    return found[0].parent


def start_dynamodb_local(folder: Path) -> StandIn:
    """Start AWS's own DynamoDB for one machine."""
    home, port = ddb_home(), free_port()
    command = ["java", "-Xmx256m", "-XX:+UseSerialGC", f"-Djava.library.path={home}", "-cp", f"{home}/*"]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    process = StandIn("dynamodb-local", [*command, str(Path(__file__).with_name("Loopback.java")), *options], folder)
    return _ready(process, port, lambda: _listens(port) and get(port, "/")[0] > 0)


def _ready(process: StandIn, port: int, answers: Callable[[], bool]) -> StandIn:
    process.port = port
    try:
        return process.wait_for(answers, PATIENCE_S)
    except NotComeTogetherError:
        process.stop()
        raise


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
