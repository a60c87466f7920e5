"""How templates write the cells of tables."""

from functools import cache

from django import template
from django.template import Context, Engine, Template
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def written(context: Context, text: str) -> SafeString:
    """What a template of `row`, such as a column's cell, comes to; a text, or the name of a file."""
    return _template(text).render(context)


@cache
def _template(text: str) -> Template:
    engine = Engine.get_default()
    return engine.get_template(text) if text.endswith(".html") else engine.from_string(_LOAD + text)


_LOAD = "{% load pages %}"
