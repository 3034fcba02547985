"""Alters the shipped protocol, one condition at a time. Rule: no condition of the named functions is left out."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import ModuleType
from typing import NamedTuple

from tailrace.commit import compaction, protocol, rules

GUARDED = {
    rules: ("preparing", "taking_over", "committing"),
    protocol: ("cut", "after", "_judged", "uploaded"),
}
COMPACTION = {compaction: ("preparing", "committing", "sweeping", "folding", "take", "after", "_granted", "_rested")}


class Mutant(NamedTuple):
    """One altered condition: where it stood, what it became."""

    name: str
    module: ModuleType
    tree: ast.Module


def mutants(guarded: Mapping[ModuleType, Sequence[str]] = GUARDED) -> Iterator[Mutant]:
    """Yield the shipped code with each condition forced to the one side and to the other."""
    for module, functions in guarded.items():
        tree = ast.parse(inspect.getsource(module))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in functions:
                for path, text in _conditions(function):
                    for forced in (False, True):
                        copy = deepcopy(tree)
                        _force(copy, function.name, path, forced)
                        yield Mutant(
                            f"{module.__name__.rpartition('.')[2]}.{function.name}: `{text}` -> {forced}", module, copy
                        )


def _conditions(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    for at, test in enumerate(_tests(function)):
        yield at, ast.unparse(test)


def _tests(function: ast.FunctionDef) -> list[ast.expr]:
    """Every atomic condition: tests of `if`, of conditional expressions, guards of cases; both sides of and/or."""
    out: list[ast.expr] = []
    for node in ast.walk(function):
        test = (
            node.test
            if isinstance(node, ast.If | ast.IfExp)
            else node.guard
            if isinstance(node, ast.match_case)
            else None
        )
        if test is not None:
            out += _atoms(test)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BoolOp):
            out += _atoms(node.value)
    return out


def _atoms(test: ast.expr) -> list[ast.expr]:
    return [atom for value in test.values for atom in _atoms(value)] if isinstance(test, ast.BoolOp) else [test]


def _force(tree: ast.Module, name: str, at: int, forced: bool) -> None:
    function = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name)
    target = _tests(function)[at]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.copy_location(ast.Constant(forced), target) if node is target else self.generic_visit(node)

    Swap().visit(function)


def built(mutant: Mutant) -> ModuleType:
    """Return the module that is driven, with the altered one in its place."""
    altered = ModuleType(mutant.module.__name__)
    altered.__dict__["__name__"] = mutant.module.__name__
    exec(compile(ast.fix_missing_locations(mutant.tree), mutant.name, "exec"), altered.__dict__)
    if mutant.module is not rules:
        return altered
    whole = ModuleType(protocol.__name__)
    source = ast.parse(inspect.getsource(protocol))
    exec(compile(source, "protocol", "exec"), whole.__dict__)
    whole.__dict__["rules"] = altered
    for name in ("Next", "Already", "Refused", "Verdict"):
        whole.__dict__[name] = getattr(altered, name)
    return whole
