"""The API's description: what OpenAPI needs besides the schemas; and that reading takes nothing else."""

import re
from functools import cached_property
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from ledger.errors import Invalid

_PROBLEM: Final = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_ENDED: Final = "the exam is completed; a patient can arrive when the exam is scheduled or held"
_PROBLEMS: Final = {
    401: ("Unauthorized", "Send `Authorization: Bearer TOKEN`, or sign in on the web pages.", None),
    403: ("Forbidden", "Your roles don't allow step.change.", None),
    404: ("Not Found", "There is no such thing here.", None),
    409: (
        "Conflict",
        f"{_ENDED[:1].upper()}{_ENDED[1:]}",
        {"field": "status", "detail": _ENDED},
    ),
    422: (
        "Unprocessable Entity",
        "Some values are missing or not valid.",
        {"field": "limit", "detail": "Input should be less than or equal to 500"},
    ),
}


class DescribedAPI(NinjaAPI):
    """An API whose description has an example for every body, and the problems that can come.

    Reading takes only the query parameters that are described: one that is misspelt would list everything.
    """

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        """What an operation begins with once it is known who asks. `Invalid` for an unknown parameter."""
        if request.method == "GET" and request.GET and request.resolver_match:
            path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", request.resolver_match.route)
            known = self._parameters.get(path, [])
            for name in request.GET:
                if name not in known:
                    text = f"there is no such parameter; there are {', '.join(known) or 'none'}"
                    raise Invalid(text, name[:100])
        return super().create_temporal_response(request)

    @cached_property
    def _parameters(self) -> dict[str, list[str]]:
        """The query parameters of each path that can be read, by name."""
        paths = self.get_openapi_schema()["paths"]
        return {
            path: sorted(
                one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"
            )
            for path, operations in paths.items()
            if "get" in operations
        }

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """The description, completed."""
        schema = super().get_openapi_schema(**options)
        schemas = schema["components"]["schemas"]
        schemas["Problem"] = _PROBLEM
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                for body in (operation.get("requestBody"), *operation["responses"].values()):
                    _add_example(body, schemas)
                possible = {401: True, 403: True, 404: "{" in path, 409: method == "post", 422: True}
                for status, can_be in possible.items():
                    if can_be:
                        operation["responses"].setdefault(status, _problem(status))
        return schema


def _add_example(body: dict[str, Any] | None, schemas: dict[str, Any]) -> None:
    for content in (body or {}).get("content", {}).values():
        schema = content["schema"]
        reference = schema.get("$ref") or next(
            (one["$ref"] for one in schema.get("anyOf", ()) if "$ref" in one), None
        )
        shown = schemas[reference.rpartition("/")[2]] if reference else schema
        if shown.get("examples"):
            content["example"] = shown["examples"][0]


def _problem(status: int) -> dict[str, Any]:
    title, detail, error = _PROBLEMS[status]
    example: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if error:
        example["errors"] = [error]
    content = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    return {"description": title, "content": {"application/problem+json": content}}
