"""Which sink a destination stands for: whoever names the services names the same ones."""

from __future__ import annotations

from tailrace.rows.route import SERVICES
from tailrace.sinks.destinations import MODULES
from tailrace.sinks.forward.sink import TARGETS


def test_each_service_that_a_route_may_name_has_a_sink_and_each_forward_a_target() -> None:
    assert tuple(MODULES) == SERVICES
    assert [service for service, module in MODULES.items() if "forward" in module] == list(TARGETS)
