"""Whether events obey their schema. Rule: every verdict comes from `judge`, and takes time linear in the event.

jsonschema-rs judges parsed values; its plain regex engine cannot backtrack. A compiled fast path can replace the first
line of `judge` without anything else noticing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import jsonschema_rs

from tailrace.nouns import Reason
from tailrace.schema.contract import json_path
from tailrace.schema.messages import MESSAGE_CHARS_MAX, REASONS_MAX, Explainer
from tailrace.schema.references import REFUSED, Library, SchemaError, address, plain, why
from tailrace.schema.words import TYPES, finding, one_of

__all__ = ["MESSAGE_CHARS_MAX", "REASONS_MAX", "Judge", "SchemaError", "compiled", "judge"]
# Making an error costs 4 us to 0.1 ms, and they are made all at once. So that a record takes seconds at most, an event
# that holds more values, or stands farther back in its record, has one reason of its schema.
VALUES_MAX: Final = 500
WHOLE_EVENTS_MAX: Final = 100
REGEX_BYTES_MAX: Final = 1 << 20  # a compiled pattern's; a larger one makes the schema unusable


class Judge(NamedTuple):
    """A compiled schema."""

    validator: jsonschema_rs.Validator
    explainer: Explainer


def compiled(schema: Mapping[str, Any], library: Library | None = None, path: str = "") -> Judge:
    """Compile a JSON Schema, as the file of a book when its library and path are given. Raises SchemaError.

    Without `$schema` it is draft-07; an Iglu one is draft-04. Formats are checked in every draft.
    """
    known = library.schemas[path] if library else plain(schema)
    try:
        validator = jsonschema_rs.validator_for(
            known,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=REGEX_BYTES_MAX, dfa_size_limit=10 * REGEX_BYTES_MAX),
            validate_formats=True,
            registry=library.registry if library else None,
            base_uri=address(path) if library else None,
            offline=True,
        )
    except jsonschema_rs.ValidationError as error:
        raise SchemaError(_unusable(error)) from None
    except REFUSED as error:
        raise SchemaError(why(error)) from None
    return Judge(validator, Explainer(known, library.by_address if library else None))


def _unusable(error: jsonschema_rs.ValidationError) -> str:
    """Return what breaks the rules of schemas themselves, in the words that events get."""
    path, value = tuple(error.instance_path), error.instance
    if error.kind.name == "$ref":
        return why(error)
    if path[-1:] == ("type",) and path[-2:-1] != ("properties",):
        told = (
            finding(value),
            one_of(value, list(TYPES)) if isinstance(value, str) else "expected a list of different types",
        )
    elif error.kind.name == "format" and path[-1:] == ("pattern",):
        told = finding(value), "expected a regular expression without look-around and back-references"
    else:
        (reason,) = Explainer({}).reasons([error])[:1]
        return f"{reason.path}: {reason.message}"
    return f"{json_path(path)}: {', '.join(told)}"


def broken(schema: Judge, instances: Sequence[object]) -> list[int]:
    """Return the places of those instances that break the schema; why they do costs more to say, see `judge`."""
    valid = schema.validator.is_valid
    return [at for at, instance in enumerate(instances) if not valid(instance)]


def judge(schema: Judge, instances: Sequence[object], *, whole: bool = True) -> dict[int, tuple[Reason, ...]]:
    """Return the reasons of those instances that break the schema, by their place; the first of each if not `whole`."""
    return {at: tuple(_reasons(schema, instances[at], whole=whole)) for at in broken(schema, instances)}


def _reasons(schema: Judge, instance: object, *, whole: bool) -> list[Reason]:
    return schema.explainer.reasons(_errors(schema.validator, instance, whole=whole), instance)


def _errors(
    validator: jsonschema_rs.Validator, instance: object, *, whole: bool
) -> Iterable[jsonschema_rs.ValidationError]:
    if whole and not _is_large(instance):
        return validator.iter_errors(instance)  # it makes all of them at once, however few are taken
    try:
        validator.validate(instance)
    except jsonschema_rs.ValidationError as error:
        return (error,)
    return ()


def _is_large(instance: object) -> bool:
    """Say whether an event holds so many values that each could be a reason, and naming them all would take long."""
    count, waiting = 0, [instance]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > VALUES_MAX:
                return True
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return False
