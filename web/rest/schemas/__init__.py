"""What bodies and parameters look like, each body with an example."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from ninja import Schema
from pydantic import AfterValidator, ConfigDict


def _without_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("NUL characters are not allowed")
    return value


Text = Annotated[str, AfterValidator(_without_nul)]
"""A text that every database can keep."""

# Ids in the examples of more than one schema.
EXAMPLE_ITEM: Final = "6f5e4d3c2b1a4f0e9d8c7b6a59483726"
EXAMPLE_REPORT: Final = "3d0c1b2a9f8e4d7c8b6a594837261504"


def with_example(*examples: dict[str, Any], extra: Literal["forbid", "ignore"] = "ignore") -> ConfigDict:
    """The configuration of a schema that shows `examples` in OpenAPI."""
    return ConfigDict(json_schema_extra={"examples": list(examples)}, extra=extra)


def example_of(schema: type[Schema]) -> dict[str, Any]:
    """The example that a schema shows."""
    extra: dict[str, Any] | Callable[..., None] | None = schema.model_config.get("json_schema_extra")
    assert isinstance(extra, dict)
    example: dict[str, Any] = extra["examples"][0]
    return example


def listing(schema: type[Schema]) -> dict[str, Any]:
    """An example of a list with one result."""
    return {"count": 1, "results": [example_of(schema)]}


class Reason(Schema):
    """Why something is done."""

    model_config = with_example({"reason": "entered twice by the ward"}, extra="forbid")

    reason: Text
