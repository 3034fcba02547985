"""SQL taken apart as engines do it. Rule: it knows quotes and comments, and nothing of any dialect's words."""

from __future__ import annotations

import re
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*)|(?P<name>"(?:[^"]|"")*")|(?P<tick>`(?:[^`]|``)*`)|(?P<text>'(?:[^']|'')*')"""
    r"""|(?P<word>\w+)|(?P<space>\s+)|(?P<sign>.)""",
    re.DOTALL,
)


class Token(NamedTuple):
    """A word, a sign, or what stands between quotes, without them."""

    kind: str
    value: str


def statements(sql: str) -> list[list[Token]]:
    """Return the tokens of each statement, without its semicolon."""
    out: list[list[Token]] = [[]]
    for found in TOKEN.finditer(sql):
        kind, value = found.lastgroup or "", found[0]
        if kind in {"comment", "space"}:
            continue
        if kind in {"name", "tick", "text"}:
            value = value[1:-1].replace(value[0] * 2, value[0])
        assert kind != "sign" or value not in "\"'`", f"a quote is open: {sql[found.start() :]!r}"
        if (kind, value) == ("sign", ";"):
            out.append([])
        else:
            out[-1].append(Token(kind, value))
    return [one for one in out if one]


def members(tokens: list[Token]) -> list[list[Token]]:
    """Return what stands between the first parentheses, taken apart at its commas."""
    start = next(at for at, token in enumerate(tokens) if token == ("sign", "("))
    depth, out = 0, list[list[Token]]([[]])
    for token in tokens[start + 1 :]:
        if token.kind == "sign" and token.value in "(<":
            depth += 1
        elif token.kind == "sign" and token.value in ")>":
            depth -= 1
            if depth < 0:
                return out
        if depth == 0 and token == ("sign", ","):
            out.append([])
        else:
            out[-1].append(token)
    raise AssertionError("the parentheses are open")
