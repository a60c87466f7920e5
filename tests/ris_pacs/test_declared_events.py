"""All kinds of events: each has words, is recorded somewhere, and gets the details that its words need."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

import pytest
from django.conf import settings

from ledger import event_types
from ledger.event_types import EventType

PACKAGES: Final = ("ledger", "accounts", "worklist", "archive", "reporting", "interfaces", "web", "ris_pacs")
DECISION: Final = "study.decision."
"""Of events that a `DecisionType` brings: they are recorded as an attribute of it."""
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


Definition = ast.FunctionDef | ast.ClassDef


class Source:
    """A module that names kinds of events, as it is written."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.nodes = list(ast.walk(ast.parse(text)))
        definitions = (node for node in self.nodes if isinstance(node, ast.FunctionDef | ast.ClassDef))
        self.defined = {node.name: node for node in definitions}
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
            values = [one for one in self.values.get(base.id, ()) if not isinstance(one, ast.Call)]
            return own or {kind for value in values for kind in self.all_kinds(value)}
        return self.all_kinds(node) if isinstance(base, ast.Attribute | ast.IfExp) else set()

    def all_kinds(self, node: ast.expr) -> set[str]:
        """The kinds that are named anywhere in an expression, such as `worklist_events.UNDONE[kind]`."""
        named = [one for one in ast.walk(node) if isinstance(one, ast.Attribute)]
        return {kind for one in named for kind in _kinds(ast.unparse(one.value), one.attr)}


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
        found = {one.arg for one in call.keywords if one.arg}
        for argument in _arguments(call):
            found |= self.keys(source, argument)
        for other, called in self.called(source, call):
            for inner in _passing_on(other, called):
                found |= self.details(other, inner)
        return found

    def called(self, source: Source, call: ast.Call) -> Iterator[tuple[Source, Definition]]:
        """What a call is of, as far as names tell: of its own module, or of the module that is named."""
        module, _, name = ast.unparse(call.func).rpartition(".")
        for other in self.sources.values() if module else [source]:
            if name in other.defined and (not module or other.name.endswith(f".{module}")):
                yield other, other.defined[name]

    def keys(self, source: Source, node: ast.expr, steps: int = 3) -> set[str]:
        """The keys of a dictionary: written out, or some steps away by a variable or a function's return."""
        if isinstance(node, ast.Dict):
            return {str(key.value) for key in node.keys if isinstance(key, ast.Constant)}
        found = [(source, value) for value in source.values.get(ast.unparse(node), ())]
        if isinstance(node, ast.Call):
            inner = [(other, one) for other, its in self.called(source, node) for one in ast.walk(its)]
            found = [(other, one.value) for other, one in inner if isinstance(one, ast.Return) and one.value]
        return {key for other, one in found if steps for key in self.keys(other, one, steps - 1)}

    def recorded(self) -> Iterator[tuple[str, str, set[str]]]:
        """Each call that is given a kind of event: where, which, with which details."""
        for source in self.sources.values():
            for node in source.nodes:
                if isinstance(node, ast.Call) and ast.unparse(node.func) not in NOT_RECORDING:
                    for argument in _arguments(node):
                        for kind in source.kinds(argument):
                            yield f"{source.name}:{node.lineno}", kind, self.details(source, node)


def _passing_on(source: Source, called: Definition) -> Iterator[ast.Call]:
    """The calls that hand on an event: which a function was given, or which an entry of a table holds."""
    if isinstance(called, ast.ClassDef):
        fields = [one for one in called.body if isinstance(one, ast.AnnAssign)]
        events = {f".{ast.unparse(one.target)}" for one in fields if _is_event(one.annotation)}
        nodes: Iterable[ast.AST] = source.nodes
    else:
        arguments = (*called.args.posonlyargs, *called.args.args, *called.args.kwonlyargs)
        events = {one.arg for one in arguments if _is_event(one.annotation)}
        nodes = ast.walk(called)
    for node in nodes:
        if isinstance(node, ast.Call) and any(_named(one) in events for one in _arguments(node)):
            yield node


def _is_event(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation) == "EventType"


def _named(node: ast.expr) -> str:
    """A variable by its name, an attribute by its own behind a point."""
    return f".{node.attr}" if isinstance(node, ast.Attribute) else ast.unparse(node)


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
    by_their_type = {kind for kind, type_ in types.items() if kind.startswith(DECISION) and not type_.needs}
    assert not set(types) - recorded - by_their_type
