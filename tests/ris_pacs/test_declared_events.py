"""All kinds of events: each has words, is recorded somewhere, and gets the details that its words need."""

import ast
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

import pytest
from django.conf import settings

from ledger import event_types
from ledger.event_types import EventType

PACKAGES: Final = ("ledger", "accounts", "worklist", "archive", "reporting", "interfaces", "web", "ris_pacs")
NOT_RECORDING: Final = {"declare", "frozenset", "dict", "str"}
DECLARED: Final = sorted(event_types.declared(), key=lambda one: one.kind)


@pytest.mark.parametrize("type_", DECLARED, ids=lambda type_: str(type_.kind))
def test_each_kind_is_said_in_words(type_: EventType) -> None:
    filled = type_.say({name: f"some {name}" for name in type_.details}, "some source")
    empty = type_.say({name: f"some {name}" for name in type_.needs}, "some source")
    for text in (filled, empty):
        assert text[:1].isupper() or text.startswith("some ")
        assert not set("{}[]") & set(text) and not text.endswith((".", ":", " ")) and "  " not in text
    assert 3 <= len(type_.in_short) <= 32 and not set("{}[]") & set(type_.in_short)
    assert type_.labels.keys() <= type_.details
    assert len(type_.kind) <= 64


def test_no_two_kinds_of_one_thing_say_the_same() -> None:
    said = [(type_.kind.partition(".")[0], type_.words) for type_ in DECLARED]
    assert len(set(said)) == len(said)


class Source:
    """A module that names kinds of events, as it is written."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.nodes = list(ast.walk(ast.parse(text)))
        self.functions = {node.name: node for node in self.nodes if isinstance(node, ast.FunctionDef)}
        self.values: dict[str, list[ast.expr]] = {}
        for node in self.nodes:
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self.values.setdefault(ast.unparse(target), []).append(node.value)

    def kinds(self, node: ast.expr) -> set[str]:
        """The kinds that an argument names: itself, or by a variable or a table of the module."""
        base = node.value if isinstance(node, ast.Subscript) else node
        if isinstance(base, ast.Name):
            own = _kinds(self.name, base.id)
            return own or {kind for value in self.values.get(base.id, ()) for kind in self.all_kinds(value)}
        return self.all_kinds(node) if isinstance(base, ast.Attribute | ast.IfExp) else set()

    def all_kinds(self, node: ast.expr) -> set[str]:
        """The kinds that are named anywhere in an expression, such as `worklist_events.UNDONE[kind]`."""
        named = [one for one in ast.walk(node) if isinstance(one, ast.Attribute)]
        return {kind for one in named for kind in _kinds(ast.unparse(one.value), one.attr)}

    def keywords(self, call: ast.Call) -> set[str]:
        """The names of a call's keyword arguments, also of those that come as a dictionary."""
        found = {one.arg for one in call.keywords if one.arg}
        for one in call.keywords:
            if one.arg is None:
                values = [*self.values.get(ast.unparse(one.value), []), one.value]
                keys = [key for value in values if isinstance(value, ast.Dict) for key in value.keys]
                found |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
        return found


@cache
def _kinds(module: str, name: str) -> set[str]:
    """The kinds that a name of a module stands for; event modules are known by their last name alone."""
    path = EVENT_MODULES.get(module, module)
    value = getattr(sys.modules.get(path), name, None)
    values = [*value.values()] if isinstance(value, Mapping) else [value]
    return {one.kind for one in values if isinstance(one, EventType)}


EVENT_MODULES: Final = {name.rpartition(".")[2]: name for name in sys.modules if name.endswith("_events")}


class Tree:
    """All modules that name kinds of events, and what functions add to the details of one."""

    def __init__(self) -> None:
        self.sources = {}
        for path in (path for package in PACKAGES for path in (settings.BASE_DIR / package).rglob("*.py")):
            text = path.read_text()
            if "_events" in text or "EventType" in text or "declare(" in text:
                name = ".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts)
                self.sources[name] = Source(name, text)

    def details(self, source: Source, call: ast.Call) -> set[str]:
        """The details that an event gets by a call: what is passed, and what the called function adds."""
        found = source.keywords(call)
        name, _, function = ast.unparse(call.func).rpartition(".")
        for other in [source] if not name else self.sources.values():
            if function in other.functions and (not name or other.name.endswith(f".{name}")):
                for inner in _passing_on(other.functions[function]):
                    found |= self.details(other, inner)
        return found

    def recorded(self) -> Iterator[tuple[str, str, set[str]]]:
        """Each call that is given a kind of event: where, which, with which details."""
        for source in self.sources.values():
            for node in source.nodes:
                if isinstance(node, ast.Call) and ast.unparse(node.func) not in NOT_RECORDING:
                    for argument in _arguments(node):
                        for kind in source.kinds(argument):
                            yield f"{source.name}:{node.lineno}", kind, self.details(source, node)


def _passing_on(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """The calls in a function that hand on an event which it was given."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    given = {one.arg for one in arguments if one.annotation and ast.unparse(one.annotation) == "EventType"}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and given & {ast.unparse(one) for one in _arguments(node)}:
            yield node


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(one.value for one in call.keywords)]


def test_each_kind_is_recorded_with_all_that_its_words_need() -> None:
    types = {type_.kind: type_ for type_ in DECLARED}
    recorded, lacking = set(), []
    for place, kind, details in Tree().recorded():
        recorded.add(kind)
        if missing := types[kind].needs - details:
            lacking.append(f"{place}: {kind} lacks {', '.join(sorted(missing))}")
    assert not lacking
    assert not set(types) - recorded
