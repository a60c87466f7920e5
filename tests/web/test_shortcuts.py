"""One key has one meaning on all pages (ui.md, Rules)."""

import re
from pathlib import Path

import pytest

from archive.decisions import decision_type, second_person, undo
from web.kernel import shortcuts
from web.kernel.shortcuts import SHORTCUTS, Shortcut

WEB = Path(shortcuts.__file__).parent.parent
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
GIVEN = {"{{ action.key }}", "{{ undo.key }}"}
"""Keys of a decision and of an act on the worklist, which the next two tests look at."""


def test_no_key_has_two_meanings() -> None:
    assert not list(shortcuts.conflicts(SHORTCUTS))


def test_a_conflict_is_told() -> None:
    twice = [*SHORTCUTS, Shortcut("revoke", "v", "Revoke"), Shortcut("tab", "1", "First tab")]
    assert list(shortcuts.conflicts(twice)) == [
        "view and revoke have the same key v",
        "1 is a decision's, not tab's",
    ]


def test_decisions_have_the_digits_and_what_is_beside_them_its_own_meaning() -> None:
    letters = [one for one in decision_type.registered() if not one.key.isdigit()]
    assert all(one.key == shortcuts.key(one.kind) for one in letters)
    beside = {second_person.Confirm: "confirm_decision", second_person.Decline: "decline_decision"}
    for action, name in {**beside, undo.Undo: "undo"}.items():
        assert action.key == shortcuts.key(name)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(WEB / "templates" / "web")))
def test_templates_name_meanings_not_keys(path: Path) -> None:
    text = path.read_text()
    literal = set(re.findall(r'data-key="([^"]*)"', text)) - GIVEN
    assert not literal, (
        f'write {{% key "next" %}} for {literal}, and put new keys into web/kernel/shortcuts.py'
    )
    for name in re.findall(r'{% (?:key|heard_key|kbd) "([^"]*)" %}', text):
        assert shortcuts.shortcut(name)


def test_python_names_meanings_too() -> None:
    from web.pages.worklist.worklist_rows import ACTIONS

    keys = {one.key for one in SHORTCUTS}
    assert {action.key for action in ACTIONS.values()} <= keys
