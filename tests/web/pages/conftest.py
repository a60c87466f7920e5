"""A hospital, and the people who work there."""

from tests.web.rest.conftest import employ, hospital  # noqa: F401
