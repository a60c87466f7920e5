"""The API: its resources, how one signs in, how errors are answered."""

from typing import Any

import orjson
from django.http import HttpRequest
from ninja import Swagger
from ninja.renderers import BaseRenderer

from web.rest import (
    decisions,
    destination_pause,
    dictations,
    exceptions,
    identity_exceptions,
    imports,
    interface_state,
    messages,
    orders,
    patients,
    problems,
    quarantine,
    reading_worklist,
    record_acts,
    reports,
    steps,
    studies,
    turnaround,
    work_list,
)
from web.rest.authentication import BearerOrSession
from web.rest.openapi import DescribedAPI


class Renderer(BaseRenderer):
    """JSON with times as RFC 3339 with their offset."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> bytes:
        """Bytes of UTF-8."""
        return orjson.dumps(data)


api = DescribedAPI(
    title="RIS/PACS",
    version="1",
    description="Patients, orders, studies with their verdicts, exceptions and HL7 messages. "
    "Lists take `limit` and `offset`; errors are problem documents (RFC 9457).",
    urls_namespace="api",
    auth=BearerOrSession(),
    renderer=Renderer(),
    docs=Swagger(settings={"validatorUrl": None, "persistAuthorization": False}),
)
problems.register(api)
api.add_router("/patients", patients.router)
api.add_router("/patients", record_acts.router)
api.add_router("/orders", orders.router)
api.add_router("/steps", steps.router)
api.add_router("/studies", studies.router)
api.add_router("/turnaround", turnaround.router)
api.add_router("/studies", reports.of_studies)
api.add_router("/reports", reports.router)
api.add_router("/rechecks", reports.of_rechecks)
api.add_router("/signing-pin", reports.signing)
api.add_router("/reading", reading_worklist.router)
api.add_router("/dictations", dictations.router)
api.add_router("/transcription", dictations.transcriptions)
api.add_router("/exceptions", exceptions.router)
api.add_router("/identity-exceptions", identity_exceptions.router)
api.add_router("/decisions", decisions.router)
api.add_router("/quarantine", quarantine.router)
api.add_router("/imports", imports.router)
api.add_router("/hl7/messages", messages.router)
api.add_router("/hl7/messages", destination_pause.of_messages)
api.add_router("/hl7/destinations", destination_pause.router)
api.add_router("/hl7/work-list", work_list.router)
api.add_router("/hl7/replays", work_list.replays)
api.add_router("/hl7/interfaces", interface_state.router)
