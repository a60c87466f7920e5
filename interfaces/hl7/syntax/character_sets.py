"""Character sets of a message: MSH-18 and MSH-20 (HL7 v2.5.1 2.15.9.18, 2.15.9.20 and 2.7.2, table 0211).

Bytes are either decoded exactly or refused with their position: nothing is ever replaced.

`ASCII` and an empty MSH-18 mean seven bits. Senders that leave MSH-18 empty mostly send UTF-8, so strict
UTF-8 is tried there when a byte of 0x80 or more comes, and anything else is refused: guessing between the
single-byte sets would spell names wrong. A source that sends one of these without saying so is given
an override by its site.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple


class Er7Error(ValueError):
    """What's wrong with a message, and where: the fields that ERR-2, ERR-3 and ERR-8 need (2.15.5).

    `code` is of HL70357, `location` is `PID^1^5` (may be empty), `text` is for a person.
    """

    def __init__(self, code: int, location: str, text: str) -> None:
        super().__init__(f"{location}: {text}" if location else text)
        self.code = code
        self.location = location
        self.text = text


class Decoded(NamedTuple):
    """A text and the set that it was in; `declared` is another one where that is what the message says."""

    text: str
    codec: str
    declared: str = ""


JIS_X_0201 = "jis_x_0201"  # Python has no codec of this name; see _decode_katakana
UTF_16 = "utf-16"
UTF_32 = "utf-32"
MAX_SWITCHES = 200_000
LOCATION = "MSH^1^18"

_WINDOWS = {"iso8859-1": "cp1252", "iso8859-15": "cp1252", "iso8859-9": "cp1254", "iso8859-2": "cp1250"}
"""What is sent in the name of a set that has control characters where Windows has letters."""
_LIKE_ASCII_PAIRS = frozenset({"iso8859-1", "iso8859-15", "iso8859-9", "cp1252", "cp1254"})
"""Sets in which no word of any language looks like UTF-8: a letter would have a sign after it."""
_C1 = re.compile(rb"[\x80-\x9f]")

_KANJI = frozenset({"ISOIR87", "ISOIR159", "ISO2022IR87", "ISO2022IR159", "JAS2020", "JISX0202"})

_CODECS: dict[str, str] = {
    "": "ascii",
    "ASCII": "ascii",
    "USASCII": "ascii",
    "ISOIR6": "ascii",
    "ISO2022IR6": "ascii",
    **{f"{prefix}8859{n}": f"iso8859-{n}" for prefix in ("", "ISO") for n in (*range(1, 12), *range(13, 17))},
    **{f"{p}125{n}": f"cp125{n}" for p in ("WINDOWS", "CP", "WIN", "MS") for n in range(9)},
    **{f"LATIN{n}": f"iso8859-{n}" for n in (1, 2, 3, 4)},
    "UNICODE": "utf-8",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
    "UNICODEUTF16": UTF_16,
    "UTF16": UTF_16,
    "UNICODEUTF32": UTF_32,
    "UTF32": UTF_32,
    "ISOIR13": JIS_X_0201,
    "ISOIR14": JIS_X_0201,
    "ISO2022IR13": JIS_X_0201,
    "JISX0201": JIS_X_0201,
    **dict.fromkeys(_KANJI, "ascii"),  # the set in force before the first escape sequence
    "ISOIR100": "iso8859-1",
    "ISOIR101": "iso8859-2",
    "ISOIR109": "iso8859-3",
    "ISOIR110": "iso8859-4",
    "ISOIR144": "iso8859-5",
    "ISOIR127": "iso8859-6",
    "ISOIR126": "iso8859-7",
    "ISOIR138": "iso8859-8",
    "ISOIR148": "iso8859-9",
    "ISOIR166": "tis-620",
    "TIS620": "tis-620",
    "WINDOWS874": "cp874",
    "CP874": "cp874",
    "GB180302000": "gb18030",
    "GB18030": "gb18030",
    "GB2312": "gb2312",
    "GBK": "gbk",
    "KSX1001": "euc_kr",
    "EUCKR": "euc_kr",
    "ISOIR149": "euc_kr",
    "CP949": "cp949",
    "BIG5": "big5",
    "BIG5HKSCS": "big5hkscs",
    "CP950": "cp950",
    "SHIFTJIS": "cp932",
    "SJIS": "cp932",
    "WINDOWS31J": "cp932",
    "CP932": "cp932",
    "EUCJP": "euc_jp",
}

# ISO 2022 designations. Romaji is read as ASCII: its 5C and 7E are the delimiters of the message.
_G0_SINGLE = {b"(B": "ascii", b"(J": "ascii", b"(I": JIS_X_0201}
_G0_DOUBLE = {
    b"$@": "iso2022_jp_ext",
    b"$B": "iso2022_jp_ext",
    b"$(@": "iso2022_jp_ext",
    b"$(B": "iso2022_jp_ext",
    b"$(D": "iso2022_jp_ext",
    b"$A": "iso2022_jp_2",
    b"$(A": "iso2022_jp_2",
    b"$(C": "iso2022_jp_2",
}
_G1 = {
    b"-A": "iso8859-1",
    b"-B": "iso8859-2",
    b"-C": "iso8859-3",
    b"-D": "iso8859-4",
    b"-L": "iso8859-5",
    b"-G": "iso8859-6",
    b"-F": "iso8859-7",
    b"-H": "iso8859-8",
    b"-M": "iso8859-9",
    b"-T": "tis-620",
    b")I": JIS_X_0201,
    b"$)A": "gb2312",
    b"$)C": "euc_kr",
}
_RUN = re.compile(rb"\x1b(\$[()][A-Z@]|\$[A-Z@]|[()-][A-Z])|[\r\n]+")
_NOT_KATAKANA = re.compile(rb"[\x80-\xa0\xe0-\xff]")
_UTF_16 = {b"\xff\xfe": UTF_16, b"\xfe\xff": UTF_16, b"M\0S\0H\0": "utf-16-le", b"\0M\0S\0H": "utf-16-be"}


@lru_cache(maxsize=256)
def codec_for(name: str) -> str:
    """Python codec of one MSH-18 value or of a synonym that senders use for it.

    Raises Er7Error 103 for a name that isn't known (`CNS 11643-1992` among them).
    """
    try:
        return _CODECS[re.sub(r"[\s/_-]", "", name).upper()]
    except KeyError:
        raise Er7Error(103, LOCATION, f"character set {name[:40]!r} is not known") from None


def sniff_utf16(raw: bytes) -> str | None:
    """UTF-16 shows in the first bytes, by a byte order mark or by MSH itself; MSH-18 can't be read before."""
    return next((codec for start, codec in _UTF_16.items() if raw.startswith(start)), None)


def decode(
    raw: bytes,
    names: Sequence[str] = (),
    handling: str = "",
    override: str | None = None,
    *,
    detect: bool = False,
) -> Decoded:
    """Decode a message by the repetitions of MSH-18 and by MSH-20, or by the override of its source.

    With `detect`, bytes that can't be of the Western set that is declared are read as what they are.

    Raises Er7Error 103 for an unknown set and 102 for bytes that don't decode.
    """
    declared = [override] if override else list(names)
    utf16 = sniff_utf16(raw)
    if utf16 is not None and not override:
        return Decoded(_strict(raw, utf16), utf16)
    codecs = [codec_for(name) for name in declared] or ["ascii"]
    if codecs[0] in (UTF_16, UTF_32) and raw.startswith(b"MSH"):
        raise Er7Error(102, LOCATION, f"MSH-18 says {declared[0]!r}, but the message is not {codecs[0]}")
    if _is_iso2022(raw, declared, handling):
        if raw.count(b"\x1b") > MAX_SWITCHES:
            raise Er7Error(
                102, LOCATION, f"the message has more than {MAX_SWITCHES} ISO 2022 escape sequences"
            )
        return Decoded(_decode_iso2022(raw, codecs[0]), codecs[0])
    if codecs[0] == "ascii" and not raw.isascii():
        return Decoded(_strict(raw, "utf-8"), "utf-8")
    if detect and not override and not raw.isascii() and (found := _detected(raw, codecs[0])):
        return Decoded(*found, codecs[0])
    return Decoded(_strict(raw, codecs[0]), codecs[0])


def shown(codec: str) -> str:
    """A codec's name for people."""
    return codec.replace("cp125", "windows-125").replace("utf-8", "UTF-8")


def mistaken(raw: bytes, declared: str) -> Er7Error:
    """What is said of bytes that are not of the set that is declared, for who does not want them read so."""
    position = next((place for place, byte in enumerate(raw) if byte > 0x7F), len(raw))
    return Er7Error(102, _locate(raw, position), f"the bytes from position {position} on are not {declared}")


def _detected(raw: bytes, declared: str) -> tuple[str, str] | None:
    """Text and set of bytes that are UTF-8, or have what is a letter on Windows only; None for all others."""
    candidates = ["utf-8"] if declared in _LIKE_ASCII_PAIRS else []
    if declared in _WINDOWS and _C1.search(raw):
        candidates.append(_WINDOWS[declared])
    for codec in candidates:
        try:
            return raw.decode(codec), codec
        except UnicodeDecodeError:
            continue
    return None


def encode(text: str, charset: str) -> bytes:
    """Bytes of a text in the set of an MSH-18 value (its repetitions parted by `~`).

    Raises Er7Error 103 for an unknown set and 102 for a character that the set hasn't.
    """
    names = charset.split("~")
    codecs = [codec_for(name) for name in names]
    try:
        return encode_codec(text, codecs[0], kanji=has_kanji(names))
    except UnicodeEncodeError as error:
        what = f"U+{ord(error.object[error.start]):04X} at character {error.start}"
        raise Er7Error(102, LOCATION, f"{what} is not in character set {charset[:40]!r}") from None


def encode_codec(text: str, codec: str, *, kanji: bool = False) -> bytes:
    """As `encode`, by Python's codec name; raises UnicodeEncodeError."""
    if kanji and not text.isascii():
        return text.encode("iso2022_jp_ext")
    if codec == JIS_X_0201:
        return _encode_katakana(text)
    return text.encode(codec)


def decode_escaped(data: bytes, codec: str) -> str | None:
    r"""Text of an `\\X..\\` escape (2.7.5) in the message's set; None when these bytes aren't text of it."""
    try:
        return _decoder("utf-8" if codec == "ascii" or codec.startswith("utf") else codec)(data)
    except UnicodeDecodeError:
        return None


def decode_switched(run: str, designation: bytes) -> str | None:
    r"""Text of a run that follows `\\C..\\` or `\\M..\\` (2.7.2), None when it isn't text of that set."""
    try:
        data = run.encode("latin-1")
        if designation in _G0_DOUBLE:
            return (b"\x1b" + designation + data).decode(_G0_DOUBLE[designation])
        codec = {**_G0_SINGLE, **_G1}.get(designation)
        if designation == b"(I":
            data = _to_g1(data)
        return None if codec is None else _decoder(codec)(data)
    except UnicodeError:
        return None


def _is_iso2022(raw: bytes, names: Sequence[str], handling: str) -> bool:
    """MSH-20 is often left out, so Japanese sets and several repetitions speak for code extension too."""
    return b"\x1b" in raw and (has_kanji(names) or len(names) > 1 or handling.upper().startswith("ISO 2022"))


def has_kanji(names: Sequence[str]) -> bool:
    """Whether these MSH-18 values say that Japanese is switched to by ISO 2022 escape sequences."""
    return any(re.sub(r"[\s/_-]", "", name).upper() in _KANJI for name in names)


def _decode_iso2022(raw: bytes, initial: str) -> str:
    """G0 and G1 as designated by escape sequences; the initial sets again after each segment's end."""
    g0, g1, out = b"(B", initial, []
    for start, data, designation in _runs(raw):
        out.append(_decode_run(raw, start, data, g0, g1))
        if designation in _G0_SINGLE or designation in _G0_DOUBLE:
            g0 = designation
        elif designation in _G1:
            g1 = _G1[designation]
        elif designation:
            raise _undecodable(raw, start + len(data), "ISO 2022")
        elif start + len(data) < len(raw):
            g0, g1 = b"(B", initial
    return "".join(out)


def _runs(raw: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Start and bytes of each run and the designation that ends it; a segment's end belongs to its run."""
    start = 0
    for match in _RUN.finditer(raw):
        escape = match[1] or b""
        yield start, raw[start : match.start() if escape else match.end()], escape
        start = match.end()
    yield start, raw[start:], b""


def _decode_run(raw: bytes, start: int, data: bytes, g0: bytes, g1: str) -> str:
    prefix = b""
    try:
        if g0 in _G0_DOUBLE:
            prefix = b"\x1b" + g0
            return (prefix + data).decode(_G0_DOUBLE[g0])
        if g0 == b"(I":
            return _decoder(JIS_X_0201)(_to_g1(data))
        return _decoder("utf-8" if g1 == "ascii" else g1)(data)
    except UnicodeDecodeError as error:
        raise _undecodable(raw, start + max(error.start - len(prefix), 0), "ISO 2022") from None


def _to_g1(data: bytes) -> bytes:
    return bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in data)


def _strict(raw: bytes, codec: str) -> str:
    try:
        return _decoder(codec)(raw)
    except UnicodeDecodeError as error:
        raise _undecodable(raw, error.start, codec) from None


def _decoder(codec: str) -> Callable[[bytes], str]:
    return _decode_katakana if codec == JIS_X_0201 else lambda data: data.decode(codec)


def _decode_katakana(data: bytes) -> str:
    """JIS X 0201: single bytes of Shift JIS; its lead bytes aren't characters of this set."""
    bad = _NOT_KATAKANA.search(data)
    if bad:
        raise UnicodeDecodeError(JIS_X_0201, data, bad.start(), bad.end(), "not in JIS X 0201")
    return data.decode("shift_jis")


def _encode_katakana(text: str) -> bytes:
    for position, character in enumerate(text):
        if not (character < "\x80" or "\uff61" <= character <= "\uff9f"):
            raise UnicodeEncodeError(JIS_X_0201, text, position, position + 1, "not in JIS X 0201")
    return text.encode("shift_jis")


def _undecodable(raw: bytes, position: int, codec: str) -> Er7Error:
    text = f"byte 0x{raw[position]:02X} at position {position} is not {codec}" if position < len(raw) else ""
    return Er7Error(102, _locate(raw, position), text or f"the message ends inside a character of {codec}")


def _locate(raw: bytes, position: int) -> str:
    """Segment, its occurrence and the field of a byte, as ERL writes them."""
    lines = re.split(rb"[\r\n]+", raw[:position])
    separator = raw[raw.find(b"MSH") + 3 :][:1]
    if not separator or b"\0" in lines[-1]:
        return LOCATION
    name = lines[-1].split(separator, 1)[0]
    if not re.fullmatch(rb"[A-Z][A-Z0-9]{2}", name):
        return LOCATION
    field = lines[-1].count(separator) + (name == b"MSH")
    occurrence = sum(line.startswith(name + separator) for line in lines)
    return f"{name.decode()}^{occurrence}^{field}"
