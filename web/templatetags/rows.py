"""How templates write the rows of tables."""

import re
from functools import cache
from typing import Final

from django import template
from django.template import Context, Engine, Template
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
_BLANK: Final = re.compile(r">\s+</(td|th)>")


@register.simple_tag(takes_context=True)
def written(context: Context, text: str) -> SafeString:
    """What the template of a row comes to; a cell with nothing in it is empty, so that cards leave it out."""
    return mark_safe(_BLANK.sub(r"></\1>", _template(text).render(context)))  # noqa: S308 - rendered above


@cache
def _template(text: str) -> Template:
    return Engine.get_default().from_string("{% load pages %}" + text)
