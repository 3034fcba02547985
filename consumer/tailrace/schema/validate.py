"""Whether events obey their schema. Rule: every verdict comes from `judge`, and takes time linear in the event.

jsonschema-rs judges parsed values; its plain regex engine cannot backtrack. A compiled fast path can replace the first
line of `judge` without anything else noticing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import jsonschema_rs

from tailrace.nouns import Reason
from tailrace.schema.contract import shortened
from tailrace.schema.messages import MESSAGE_CHARS_MAX, REASONS_MAX, Explainer

__all__ = ["MESSAGE_CHARS_MAX", "REASONS_MAX", "Judge", "SchemaError", "compiled", "judge"]
REGEX_BYTES_MAX: Final = 1 << 20  # a compiled pattern's; a larger one makes the schema unusable
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
IGLU_DRAFT: Final = "http://json-schema.org/draft-04/schema#"


class Judge(NamedTuple):
    """A compiled schema."""

    validator: jsonschema_rs.Validator
    explainer: Explainer


class SchemaError(Exception):
    """A schema that cannot be used."""


def compiled(schema: Mapping[str, Any]) -> Judge:
    """Compile a JSON Schema. Without `$schema` it is draft-07; an Iglu one is draft-04. Raises SchemaError."""
    dialect = schema.get("$schema", DRAFT)
    if isinstance(dialect, str) and ("iglucentral.com" in dialect or dialect.startswith("iglu:")):
        dialect = IGLU_DRAFT
    plain = {key: value for key, value in schema.items() if key != "self"} | {"$schema": dialect}
    try:
        validator = jsonschema_rs.validator_for(
            plain,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=REGEX_BYTES_MAX, dfa_size_limit=10 * REGEX_BYTES_MAX),
            offline=True,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        what = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
        raise SchemaError(shortened(" ".join(what.split()), MESSAGE_CHARS_MAX)) from None
    return Judge(validator, Explainer(plain))


def judge(schema: Judge, instances: Sequence[object]) -> dict[int, tuple[Reason, ...]]:
    """Return the reasons of those instances that break the schema, by their place in the sequence."""
    valid = schema.validator.is_valid
    return {
        at: tuple(_reasons(schema, instance)) for at, instance in enumerate(instances) if not valid(instance)
    }  # fmt: skip


def _reasons(schema: Judge, instance: object) -> list[Reason]:
    return schema.explainer.reasons(schema.validator.iter_errors(instance))
