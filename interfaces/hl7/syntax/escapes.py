r"""The delimiters of a message, and the escape sequences in its values (HL7 v2.5.1 2.5.4, 2.7)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from interfaces.hl7.syntax import character_sets


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2 (2.15.9.1, 2.15.9.2); the truncation character is of 2.7. An absent one is empty."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation

    @property
    def is_complete(self) -> bool:
        """Whether everything can be written with these; the truncation character isn't needed."""
        used = self.field + self.encoding_characters
        return bool(self.subcomponent) and len(set(used)) == len(used)


DEFAULT_DELIMITERS = Delimiters()


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    r"""Resolve escape sequences (2.7): `\F\ \S\ \T\ \R\ \E\ \P\ \Xhh..\ \.br\`, character sets `\C..\ \M..\`.

    `\H\` and `\N\` are dropped; what isn't known (other formatting of 2.7.6, `\Z..\` of 2.7.7, a lone escape
    character, bytes that the set hasn't) stays as it is.
    """
    if not delimiters.escape or delimiters.escape not in text:
        return text
    resolved: list[str] = []
    switch, run, end = "", [], 0
    for match in _escape_pattern(delimiters.escape).finditer(text):
        run.append(text[end : match.start()])
        end = match.end()
        if match["switch"] is None:
            run.append(_resolve(match, delimiters, "latin-1" if switch else codec))
        else:
            resolved.append(_switched(switch, "".join(run), delimiters))
            switch, run = match["switch"], []
    resolved.append(_switched(switch, "".join([*run, text[end:]]), delimiters))
    return "".join(resolved)


@lru_cache(maxsize=64)
def _escape_pattern(escape: str) -> re.Pattern[str]:
    e, hh = re.escape(escape), "(?:[0-9A-Fa-f]{2})+"
    return re.compile(
        f"{e}(?:(?P<letter>[FSTREPHN])|(?P<br>\\.br)|X(?P<hex>{hh}(?:{e}{e}X{hh})*)"
        "|(?P<switch>C[0-9A-Fa-f]{4}|M(?:[0-9A-Fa-f]{2}){2,3})"
        f"|\\.[a-z]{{2}}[+-]?[0-9]*|Z[^{e}]*){e}"
    )


def _resolve(match: re.Match[str], delimiters: Delimiters, codec: str) -> str:
    letter = match["letter"]
    if letter is not None:
        return _letter(letter, delimiters)
    if match["br"] is not None:
        return "\n"
    if match["hex"] is not None:
        digits = match["hex"].replace(delimiters.escape * 2 + "X", "")
        decoded = character_sets.decode_escaped(bytes.fromhex(digits), codec)
        return match[0] if decoded is None else decoded
    return match[0]


def _letter(letter: str, delimiters: Delimiters) -> str:
    meanings = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent or "&",
        "R": delimiters.repetition or "~",
        "E": delimiters.escape,
        "P": delimiters.truncation or "#",
    }
    return meanings.get(letter, "")


def _switched(switch: str, run: str, delimiters: Delimiters) -> str:
    r"""After `\C..\` or `\M..\` the characters are codes of that set, until the next one (2.7.2)."""
    if not switch:
        return run
    decoded = character_sets.decode_switched(run, bytes.fromhex(switch[1:]))
    return f"{delimiters.escape}{switch}{delimiters.escape}{run}" if decoded is None else decoded
