"""The house's rules that no linter holds: short files that open with their rule, and each thing said once."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES_MAX = 400
FUNCTION_LINES_MAX = 60


def tracked() -> list[Path]:
    """Return the files of the project as git knows them; as they lie there where git is not."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    tops = ("consumer", "producer", "local", "bench", "tests", "docs", "properties")
    return [
        path for top in tops for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]


FILES = tracked()
PYTHON = [path for path in FILES if path.suffix == ".py"]
PACKAGES = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in {"consumer", "producer"}]
TEXTS = [
    path
    for path in FILES
    if path.suffix in {".py", ".md", ".toml", ".sh", ".yml", ".json", ".in"} or path.name == "Makefile"
]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_the_lists_are_not_empty() -> None:
    assert len(PACKAGES) > 30
    assert len(TEXTS) > len(PYTHON) > len(PACKAGES)


def test_files_are_short() -> None:
    long = {named(path): lines for path in PYTHON if (lines := len(path.read_text().splitlines())) > LINES_MAX}
    assert long == {}


def test_functions_fit_a_screen() -> None:
    long = {
        f"{named(path)}:{node.name}": lines
        for path in PACKAGES
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_every_file_opens_with_its_rule() -> None:
    silent = []
    for path in PACKAGES:
        text = path.read_text()
        if path.name == "__init__.py" and len(text.splitlines()) < 5:  # only makes a package
            continue
        docstring = ast.get_docstring(ast.parse(text)) or ""
        if not re.search(r"\bRules?\b|\bLaws?\b", docstring):
            silent.append(named(path))
    assert silent == []


def test_every_file_says_what_it_holds() -> None:
    tests = [path for path in PYTHON if path.name.startswith("test_")]  # their names are sentences
    others = [path for path in PYTHON if path not in PACKAGES + tests and path.read_text().strip()]
    assert [named(path) for path in others if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_every_test_can_fail() -> None:
    """Each test asserts, expects a raise, calls a function that does, or is named for what must not happen."""
    tests = [path for path in PYTHON if named(path).startswith("tests/")]
    known = [node for path in tests for node in functions(path)]
    judges = {node.name for node in known if judges_itself(node)}
    while more := {node.name for node in known if node.name not in judges and judges & calls(node)}:
        judges |= more
    idle = [
        f"{named(path)}:{node.name}"
        for path in tests
        for node in functions(path)
        if node.name.startswith("test_")
        and not judges_itself(node)
        and not judges & calls(node)
        and not re.search("_no(thing)?(_|$)", node.name)
    ]
    assert idle == []


def judges_itself(function: ast.AST) -> bool:
    return any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(function)) or "raises" in calls(function)


def calls(function: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            names.add(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
    return names


MARKS = "TODO|FIXME|XXX|HACK"
PLACES = "/root/|/work/|/home/[a-z]"
HOSTS = r"pypi\.org|pythonhosted|registry\.npmjs|repo1\.maven|--index-url[ =]"


@pytest.mark.parametrize(
    ("what", "pattern", "flags"),
    [
        ("a mark of work left open", rf"\b({MARKS})\b", 0),
        ("a place of one machine", PLACES, 0),
        ("an address of a registry", HOSTS, re.IGNORECASE),
    ],
    ids=["open marks", "machine paths", "registry addresses"],
)
def test_no_text_holds(what: str, pattern: str, flags: int) -> None:
    found = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in TEXTS
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if re.search(pattern, line, flags)
    ]
    assert found == [], what


def test_locks_name_no_place_and_hash_all() -> None:
    for name in ("requirements.lock", "requirements-build.lock"):
        text = (ROOT / name).read_text()
        assert "http" not in text
        assert "file:" not in text
        assert "--find-links" not in text
        blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
        assert len(blocks) > 5
        assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    names = {re.split(r"[^a-z0-9-]", one.lower())[0] for one in asked}
    assert names - locked == set()


def test_each_metric_is_named_once_in_one_file() -> None:
    places: dict[str, list[str]] = {}
    for path in PACKAGES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and re.fullmatch(r"tailrace_[a-z_]+", str(node.value)):
                places.setdefault(str(node.value), []).append(named(path))
    places.pop("tailrace_producer", None)
    assert {name: where for name, where in places.items() if where != ["consumer/tailrace/ops/metrics.py"]} == {}
    assert len(places) > 5


def test_only_the_settings_and_the_edges_read_the_environment() -> None:
    """Elsewhere the environment may only be handed on, to a child process."""
    edges = {
        "consumer/tailrace/cli/__init__.py",  # hands it to the settings
        "consumer/tailrace/cli/consume.py",  # hands it to the supervisor, for the JVM
        "consumer/tailrace/kcl/child.py",  # sets the folder of the metrics before they are imported
        "consumer/tailrace/kcl/java.py",  # looks for JAVA_HOME and the PATH
        "consumer/tailrace/ops/logs.py",  # honours NO_COLOR on a terminal
        "consumer/tailrace/ops/wire.py",  # honours REQUESTS_CA_BUNDLE, as botocore's clients do
        "consumer/tailrace/sinks/forward/secrets.py",  # headers of destinations: routes say the variable's name
    }
    readers = {
        named(path)
        for path in PACKAGES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers - edges == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{named(path)}: {target}"
        for path in FILES
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []
