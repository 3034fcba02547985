"""What a lookup file says of a row's tenant. Rule: the file's object, as it is; null for a tenant it does not name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

import orjson
import pyarrow as pa

from tailrace.rows.enrich.uniques import mapped

_SORTED: Final = orjson.OPT_SORT_KEYS


class Tenant:
    """The step `tenant`: its attributes as JSON text."""

    name = "tenant"
    inputs = ("tenant",)
    outputs = pa.schema([("tenant_attributes", pa.string())])

    def __init__(self, data: bytes) -> None:
        """Take a file: {tenant: {attribute: value}}. Raises ValueError, one line."""
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"no JSON: {error}") from None
        if not isinstance(document, dict):
            raise ValueError("expected an object: tenant -> attributes")  # noqa: TRY004 - the value of a file
        for tenant, attributes in document.items():
            if not isinstance(attributes, dict):
                raise ValueError(f"{tenant}: expected an object of attributes")  # noqa: TRY004
        self._texts = {tenant: orjson.dumps(of, option=_SORTED).decode() for tenant, of in document.items()}
        self.digest = hashlib.sha256(data).hexdigest()

    def __call__(self, columns: Mapping[str, pa.Array]) -> Mapping[str, pa.Array]:
        texts = self._texts
        return mapped(columns["tenant"], lambda tenant: (texts.get(tenant),), self.outputs)
