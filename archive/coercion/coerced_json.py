"""The DICOM JSON Model of a stored object with its coercion, as `coerced_bytes` writes it."""

from typing import Any

from archive.coercion.attribute_coercion import (
    MODIFIED_ATTRIBUTES,
    ORIGINAL_ATTRIBUTES,
    Coercion,
    Field,
    is_same,
    request_fields,
    request_tag,
    stale,
    who_and_why,
    written,
)
from archive.dataset.attributes import name_of
from archive.dataset.rewriter import References
from archive.dataset.specific_character_set import clean
from archive.dataset.tags import REFERENCED_SERIES, SOP_CLASS_UID, STUDY_INSTANCE_UID

Json = dict[str, Any]
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def coerce(model: Json, coercion: Coercion) -> Json:
    """The model with the coercion, its tags in order; the same where it says all that already.

    The texts of a model are in UTF-8 in any case, so Specific Character Set is not among what changes.
    """
    fields = [
        Field(tag, written(tag, clean(text)))
        for tag, text in coercion.values
        if not is_same(tag, _text(model, tag), clean(text))
    ]
    tag = request_tag(_text(model, SOP_CLASS_UID))
    fields += request_fields(tag, coercion, names_none=not model.get(_name(tag), {}).get("Value"))
    if not fields:
        return model
    if coercion.references:
        model = {name: _renamed(one, coercion.references) for name, one in model.items()}
    new = {_name(field.tag): _element(field) for field in fields}
    gone = {_name(tag) for tag in stale([field.tag for field in fields])} & model.keys()
    result = {name: one for name, one in model.items() if name not in gone} | new
    before = {name: model.get(name) or {"vr": Field(int(name, 16)).vr} for name in sorted(new.keys() | gone)}
    item = {_name(MODIFIED_ATTRIBUTES): {"vr": "SQ", "Value": [before]}}
    item |= {_name(field.tag): _element(field) for field in who_and_why(coercion)}
    items = model.get(_name(ORIGINAL_ATTRIBUTES), {}).get("Value", [])
    result[_name(ORIGINAL_ATTRIBUTES)] = {"vr": "SQ", "Value": [*items, dict(sorted(item.items()))]}
    return dict(sorted(result.items()))


def _renamed(element: Any, references: References) -> Any:
    """An element with its references, which stand in sequences, by their new UIDs."""
    if not isinstance(element, dict) or element.get("vr") != "SQ" or not element.get("Value"):
        return element
    return {**element, "Value": [_renamed_item(item, references) for item in element["Value"]]}


def _renamed_item(item: Any, references: References) -> Any:
    new = {}
    for name, one in item.items():
        value = one.get("Value") or [None]
        is_moved = one.get("vr") == "UI" and value[0] in references.uids
        new[name] = {**one, "Value": [references.uids[value[0]]]} if is_moved else _renamed(one, references)
    series, study = _name(REFERENCED_SERIES), _name(STUDY_INSTANCE_UID)
    if study in new and new.get(series) != item.get(series):
        new[study] = {"vr": "UI", "Value": [references.study_instance_uid]}
    return new


def _name(tag: int) -> str:
    return f"{tag:08X}"


def _text(model: Json, tag: int) -> str:
    values = model.get(_name(tag), {}).get("Value", [])
    return "\\".join("" if value is None else _plain(value) for value in values).strip(" \0")


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return str(value)


def _element(field: Field) -> Json:
    if field.vr == "SQ":
        items = [{_name(one.tag): _element(one) for one in item} for item in field.items]
        return (
            {"vr": "SQ", "Value": [dict(sorted(item.items())) for item in items]} if items else {"vr": "SQ"}
        )
    text = clean(field.text)
    if not text:
        return {"vr": field.vr}
    return {"vr": field.vr, "Value": [_named(text) if field.vr == "PN" else text]}


def _named(text: str) -> Json:
    name = name_of(text)
    groups = zip(_GROUPS, (name["alphabetic"], name["ideographic"], name["phonetic"]), strict=True)
    return {group: value for group, value in groups if value}
