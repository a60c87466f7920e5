"""What stands between a text and its signature."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.reports.signing_checks import open_fields

IN_ONE = re.compile(r"\[\s*\]|\[\?[^\]]*\]|_{3,}|\{[^{}\n]{0,80}\}")
"""What an open field is, in one expression, which takes long over many that begin and don't end."""


@given(st.text("[]? _{}\na", max_size=30))
def test_every_open_field_is_found(text: str) -> None:
    assert open_fields(text) == IN_ONE.findall(text)


def test_open_fields_are_shown_as_they_stand() -> None:
    text = "No [ ] in the [? 01:23] lobe, ___ mm, {left}. [?unclosed"
    assert open_fields(text) == ["[ ]", "[? 01:23]", "___", "{left}"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["[?" * 500_000, "[" + " " * 1_000_000, "{" * 1_000_000, "__" * 500_001])
def test_a_text_of_beginnings_alone_keeps_nobody(text: str) -> None:
    assert len(open_fields(text)) <= 1
