"""How templates write the rows of tables."""

from functools import cache

from django import template
from django.template import Context, Engine, Template
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def written(context: Context, text: str) -> SafeString:
    """What the template of a row comes to."""
    return _template(text).render(context)


@cache
def _template(text: str) -> Template:
    return Engine.get_default().from_string("{% load pages %}" + text)
