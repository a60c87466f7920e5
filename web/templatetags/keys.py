"""Keys in templates: `{% key "next" %}` in the tag that it presses, `{% kbd "next" %}` in its words."""

import json

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from web.kernel import shortcuts

register = template.Library()


@register.simple_tag
def key(name: str) -> SafeString:
    """The attributes that make a key press an element, with what the key means everywhere."""
    one = shortcuts.shortcut(name)
    return format_html('data-key="{}" data-key-words="{}"', one.key, one.words)


@register.simple_tag
def heard_key(name: str) -> SafeString:
    """The same for `?` alone, on an element whose script listens to the key itself."""
    one = shortcuts.shortcut(name)
    return format_html('data-heard-key="{}" data-key-words="{}"', one.shown, one.words)


@register.simple_tag
def kbd(name: str) -> SafeString:
    """The key as people write it."""
    return format_html("<kbd>{}</kbd>", shortcuts.shortcut(name).shown)


@register.simple_tag
def keys_of_lists() -> str:
    """What works in every list, as JSON: pairs of a key and its words."""
    found = [shortcuts.shortcut(name) for name in shortcuts.OF_LISTS]
    return json.dumps([(one.shown, one.words) for one in found])
