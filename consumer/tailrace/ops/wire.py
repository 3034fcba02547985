"""Calls in AWS's JSON protocol, the short way. Rule: all is botocore's but the path through it.

botocore's clients spend about 0.9 ms of CPU on a call: validation, hooks, endpoint rules, models of what comes back.
Where there is a call for each user, or for ten messages, that is most of what a lane costs. Endpoint, credentials,
signature, `before-send`, connections and errors are botocore's here too; bodies are JSON as the service's reference
has it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
import orjson
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, HTTPClientError
from botocore.hooks import first_non_none_response
from botocore.httpsession import URLLib3Session
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies

from tailrace.ops import aws

REFUSED_MIN: Final = 300
SPOKEN: Final = frozenset({"__type", "message", "Message"})  # of a refusal, which the parser takes
NO_DELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a body waits until its headers are acknowledged


class Wire:
    """The operations of one service. Threads share it."""

    def __init__(self, client: Any) -> None:
        """`client`: boto3's, of a service with a JSON protocol; it says where and how. It is asked once, here."""
        meta, model = client.meta, client.meta.service_model
        self._url = meta.endpoint_url
        self._region, self._signed_as = meta.region_name, model.signing_name
        self._events, self._event = meta.events, f"before-send.{model.service_id.hyphenize()}"
        self._prefix = model.metadata["targetPrefix"]
        self._headers = {
            "Content-Type": f"application/x-amz-json-{model.metadata['jsonVersion']}",
            "User-Agent": f"tailrace botocore/{botocore.__version__}",
        }
        self._model, self._refusals = model, create_parser("json")
        bundle = botocore.session.get_session().get_config_variable("ca_bundle")
        options: dict[str, Any] = {
            "verify": bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True,
            "proxies": meta.config.proxies or get_environ_proxies(self._url),
            "timeout": (meta.config.connect_timeout, meta.config.read_timeout),
            "max_pool_connections": meta.config.max_pool_connections,
            "socket_options": [NO_DELAY],
        }
        self._http = URLLib3Session(**options)

    def ask(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call once and return the answer. Raises ClientError, BotoCoreError."""
        headers = {**self._headers, "X-Amz-Target": f"{self._prefix}.{operation}"}
        request = AWSRequest("POST", self._url, data=orjson.dumps(body), headers=headers)
        SigV4Auth(aws.credentials().get_frozen_credentials(), self._signed_as, self._region).add_auth(request)
        prepared = request.prepare()
        heard = self._events.emit(f"{self._event}.{operation}", request=prepared)  # who listens may answer instead
        answer = first_non_none_response(heard) or self._http.send(prepared)
        if answer.status_code >= REFUSED_MIN:
            raise self._refusal(operation, answer)
        try:
            found: dict[str, Any] = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            raise HTTPClientError(error=error) from error
        return found

    def _refusal(self, operation: str, answer: AWSResponse) -> ClientError:
        try:
            said: Any = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            said = None
        body = answer.content if isinstance(said, dict) else b""  # else what stands between us and the service spoke
        given = {"status_code": answer.status_code, "headers": answer.headers, "body": body}
        parsed: Any = self._refusals.parse(given, self._model.operation_model(operation).output_shape)
        # Some refusals say more than why: the item that stands there.
        told: Any = {**({name: said[name] for name in said if name not in SPOKEN} if body else {}), **parsed}
        return ClientError(told, operation)
