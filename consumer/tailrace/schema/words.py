"""The words that messages are made of. Rule: every sentence is a pair: what was found, what was expected.

What an event holds is cut short; what its schema asks for is said in full where it is short, and else listed in part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import orjson
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kinds

from tailrace.schema.contract import one_line, shortened, shown

LISTED_MAX: Final = 8  # values or names that a sentence lists
GUESS_CHARS_MAX: Final = 64
NAMES_MAX: Final = 200  # in which a guess is looked for

Schema = Mapping[str, Any]

TYPES: Final = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "object": "an object", "array": "an array", "null": "null",
}  # fmt: skip
_FORMATS: Final = {
    "date-time": "a date and time like 2026-01-31T08:00:00Z",
    "date": "a date like 2026-01-31",
    "time": "a time like 08:00:00Z",
    "duration": "a duration like P1DT12H",
    "email": "an email address",
    "idn-email": "an email address",
    "hostname": "a host name",
    "idn-hostname": "a host name",
    "ipv4": "an IPv4 address like 192.0.2.1",
    "ipv6": "an IPv6 address like 2001:db8::1",
    "uri": "a URI with its scheme, like https://example.com/",
    "uri-reference": "a URI, or a part of one",
    "iri": "an IRI with its scheme, like https://example.com/",
    "iri-reference": "an IRI, or a part of one",
    "uuid": "a UUID like 123e4567-e89b-12d3-a456-426614174000",
    "regex": "a regular expression",
    "json-pointer": "a JSON pointer like /a/0",
    "relative-json-pointer": "a relative JSON pointer like 1/a",
    "uri-template": "a URI template like /users/{id}",
}

# ---- words


def listed(values: Iterable[Any]) -> str:
    """Return some values as JSON, and how many more there are."""
    all_values = list(values)
    text = ", ".join(as_json(value) for value in all_values[:LISTED_MAX])
    return text if len(all_values) <= LISTED_MAX else f"{text} and {len(all_values) - LISTED_MAX} more"


def as_json(value: Any) -> str:
    """Return a schema's value as JSON, shortened, on one line."""
    try:
        text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # lone surrogates, or a number beyond 64 bits
        text = shown(value)
    return one_line(shortened(text))


def either(types: Iterable[str]) -> str:
    """Return names of JSON types as a choice."""
    some = set(types)
    words = [word for name, word in TYPES.items() if name in some and not (name == "integer" and "number" in some)]
    words += sorted(some - set(TYPES))
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1] if words else "another type"


def wanted(schema: Any) -> str:
    """Return in words what a simple schema asks for; nothing where it is none."""
    if not isinstance(schema, dict):
        return ""
    if "const" in schema:
        return as_json(schema["const"])
    if isinstance(schema.get("enum"), list):
        return f"one of {listed(schema['enum'])}"
    types = schema.get("type")
    if types == "string" and schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    return either(names) if names else ""


def kinded(value: Any) -> str:
    """Return a value with its kind: what matters where the type is wrong."""
    if isinstance(value, bool) or value is None:
        return f"found {shown(value)}"
    if isinstance(value, str):
        return f"found the text {shown(value)}"
    return finding(value) if isinstance(value, dict | list) else f"found the number {shown(value)}"


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the name that was most likely meant."""
    if len(name) > GUESS_CHARS_MAX:
        return None
    plain = _plain(name)
    same = next((one for one in names if _plain(one) == plain), None)
    close = [same] if same is not None else get_close_matches(name, names, 1, 0.75)
    return close[0] if close else None


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def finding(value: Any) -> str:
    return f"found {shown(value)}"


def how_many(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _number(value: Any) -> str:
    return shown(value) if isinstance(value, int | float) else str(value)


def allowed(error: ValidationError) -> list[Any]:
    kind = error.kind
    if isinstance(kind, Kinds.Constant):
        return [kind.expected_value]
    return list(kind.options) if isinstance(kind, Kinds.Enum) else []


def one_of(value: Any, options: Sequence[Any]) -> str:
    if len(options) == 1:
        return f"expected {as_json(options[0])}"
    texts = [option for option in options[:NAMES_MAX] if isinstance(option, str)]
    guess = nearest(value, texts) if isinstance(value, str) else None
    hint = "" if guess is None else f"; did you mean {shown(guess)}?"
    return f"expected one of: {listed(options)}{hint}"


# ---- sentences, by the kind of error: what was found, what was expected

Around = Callable[[], Schema]  # where in the schema it stands: looked up by those alone who need it
Sentence = Callable[[ValidationError, Any, Around], tuple[str, str]]


def _type(error: ValidationError, kind: Kinds.Type, _around: Around) -> tuple[str, str]:
    value, exact = error.instance, ""
    if isinstance(value, float) and value.is_integer() and "integer" in kind.types:
        exact = " without a decimal point"  # as draft-04 has it
    return kinded(value), f"expected {either(kind.types)}{exact}"


def _enum(error: ValidationError, _kind: Any, _around: Around) -> tuple[str, str]:
    return finding(error.instance), one_of(error.instance, allowed(error))


def _limit(words: str) -> Sentence:
    return lambda error, kind, _around: (finding(error.instance), f"expected {words} {_number(kind.limit)}")


def _length(words: str) -> Sentence:
    def sentence(error: ValidationError, kind: Any, _around: Around) -> tuple[str, str]:
        chars = len(error.instance) if isinstance(error.instance, str) else 0
        return f"found text of {how_many(chars, 'character')}", f"expected {words} {how_many(kind.limit, 'character')}"

    return sentence


def _size(noun: str, words: str) -> Sentence:
    def sentence(error: ValidationError, kind: Any, _around: Around) -> tuple[str, str]:
        count = len(error.instance) if isinstance(error.instance, dict | list) else 0
        return f"found {how_many(count, noun)}", f"expected {words} {kind.limit}"

    return sentence


def _contains(error: ValidationError, _kind: Any, around: Around) -> tuple[str, str]:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    where = around()
    inner = where.get("contains")
    what = wanted(inner) or (f"that fit {as_json(inner)}" if inner is not None else "that fit")
    some = "at most" if keyword == "maxContains" else "at least"
    count = _number(where.get(keyword, 1)) if keyword != "contains" else "1"
    items = len(error.instance) if isinstance(error.instance, list) else 0
    return f"found {how_many(items, 'item')}", f"expected {some} {count} of the items to be {what}"


def _unique(error: ValidationError, _kind: Any, _around: Around) -> tuple[str, str]:
    seen: dict[bytes, int] = {}
    items = error.instance if isinstance(error.instance, list) else []
    for at, item in enumerate(items):
        try:
            key = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        except TypeError:
            continue
        if seen.setdefault(key, at) != at:
            return f"found {shown(item)} at [{seen[key]}] and again at [{at}]", "expected each item once"
    return "found equal items", "expected each item once"


def _false(error: ValidationError, _kind: Any, _around: Around) -> tuple[str, str]:
    last = error.instance_path[-1] if error.instance_path else None
    above = [str(step) for step in error.schema_path[-2:]]
    if above[-1:] == ["additionalProperties"]:  # jsonschema-rs names the object, not the member
        return f"found a member: {shown(error.instance)}", "expected none"
    if isinstance(last, str) and above[:1] in (["properties"], ["patternProperties"]):
        return finding(error.instance), f"expected no member {shown(last)}"
    if isinstance(last, int) and {"items", "prefixItems"} & set(above):
        return finding(error.instance), f"expected no item at [{last}]"
    return finding(error.instance), "expected nothing: the schema allows no value here"


def _more_items(error: ValidationError, kind: Kinds.AdditionalItems, _around: Around) -> tuple[str, str]:
    items = len(error.instance) if isinstance(error.instance, list) else 0
    return f"found {how_many(items, 'item')}", f"expected at most {kind.limit}"


def _not(error: ValidationError, kind: Kinds.Not, _around: Around) -> tuple[str, str]:
    return finding(error.instance), f"expected anything but {wanted(kind.schema) or as_json(kind.schema)}"


def _several(error: ValidationError, kind: Kinds.OneOfMultipleValid, _around: Around) -> tuple[str, str]:
    fitting = [at + 1 for at, branch in enumerate(kind.context) if not branch]
    return f"{finding(error.instance)} that fits alternatives {listed(fitting)}", "expected exactly one to fit"


def _unevaluated_items(error: ValidationError, kind: Any, _around: Around) -> tuple[str, str]:
    items, over = len(error.instance) if isinstance(error.instance, list) else 0, len(kind.unexpected)
    return f"found {how_many(items, 'item')}, {over} of them not described by the schema", "expected no such item"


SENTENCES: Final[dict[type, Sentence]] = {
    Kinds.Type: _type,
    Kinds.Enum: _enum,
    Kinds.Constant: _enum,
    Kinds.Minimum: _limit("at least"),
    Kinds.Maximum: _limit("at most"),
    Kinds.ExclusiveMinimum: _limit("more than"),
    Kinds.ExclusiveMaximum: _limit("less than"),
    Kinds.MultipleOf: lambda e, kind, _: (finding(e.instance), f"expected a multiple of {_number(kind.multiple_of)}"),
    Kinds.MinLength: _length("at least"),
    Kinds.MaxLength: _length("at most"),
    Kinds.MinItems: _size("item", "at least"),
    Kinds.MaxItems: _size("item", "at most"),
    Kinds.MinProperties: _size("member", "at least"),
    Kinds.MaxProperties: _size("member", "at most"),
    Kinds.Pattern: lambda e, kind, _: (
        finding(e.instance),
        f"expected text that fits the pattern {one_line(shortened(kind.pattern))}",
    ),
    Kinds.Format: lambda e, kind, _: (
        finding(e.instance),
        f"expected {_FORMATS.get(kind.format, f'the format {as_json(kind.format)}')}",
    ),
    Kinds.ContentEncoding: lambda e, kind, _: (
        finding(e.instance),
        f"expected text in {one_line(shortened(kind.content_encoding))}",
    ),
    Kinds.ContentMediaType: lambda e, kind, _: (
        finding(e.instance),
        f"expected text that is {one_line(shortened(kind.content_media_type))}",
    ),
    Kinds.Contains: _contains,
    Kinds.UniqueItems: _unique,
    Kinds.FalseSchema: _false,
    Kinds.AdditionalItems: _more_items,
    Kinds.UnevaluatedItems: _unevaluated_items,
    Kinds.Not: _not,
    Kinds.OneOfMultipleValid: _several,
}
