"""Find patients as people ask for them: by an identifier, a birth date, a name in any script and spelling.

Name keys are folded but keep their umlauts, so a name is asked for under each spelling that it may be kept
under, and under each without its accents. Each spelling is looked up by its beginning, which an index serves;
only what nobody is found by is then looked for inside all names, and inside the identifiers of the newest
records.
"""

import itertools
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final

from django.db import connection
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast, Coalesce

from worklist.models import Patient
from worklist.patients import person_names, typed_dates
from worklist.patients.person_names import PATIENT_KEYS

_UMLAUTS: Final = (("ae", "ä"), ("oe", "ö"), ("ue", "ü"), ("a", "ä"), ("o", "ö"), ("u", "ü"))
_MOST_SPELLINGS: Final = 96
_MOST_PLACES: Final = 4
MOST_READ: Final = 250_000
SHORTEST_PART: Final = 4
"""Characters of an identifier by which it is looked for; fewer would find half of all."""
_Place = tuple[int, str, str]
"""Where in a text something is written that may be an umlaut: the place, what is written, the umlaut."""
_LAST: Final = "\U0010ffff"
_HIRAGANA_TO_KATAKANA: Final = 0x60
_ALEFS: Final = str.maketrans("أإآٱى", "ااااي")


def by_identifier(text: str) -> QuerySet[Patient]:
    """The records that show of whom an identifier, retired or not, is `VALUE` or `VALUE^^^AUTHORITY`."""
    value, _, authority = text.partition("^^^")
    named = Patient.objects.filter(value__in={value, value.upper(), value.lower()})
    if authority:
        named = named.filter(authority__namespace=authority.partition("&")[0])
    return _shown(named)


def by_other_identifier(value: str) -> QuerySet[Patient]:
    """The same for identifiers that name no record, such as a social security number; reads every record."""
    if not value.isascii() or len(value) < 3:
        return Patient.objects.none()
    as_text = Cast("other_identifiers", TextField())
    rows = Patient.objects.exclude(other_identifiers=[]).annotate(as_text=as_text)
    return _shown(rows.filter(as_text__contains=f'"value": {json.dumps(value)}'))


def by_part_of_identifier(text: str) -> QuerySet[Patient]:
    """The records that show of whom an identifier holds `text`; of the newest records only."""
    return _shown(newest_with(Patient.objects.all(), "value", text))


def newest_with(rows: QuerySet[Any], column: str, text: str) -> QuerySet[Any]:
    """Those of the newest `MOST_READ` rows whose `column` holds `text`, whatever its case.

    No index serves what lies inside a text, so the rows that are read have a bound.
    """
    newest = rows.model._default_manager.order_by("-pk").values_list("pk", flat=True).first() or 0
    return rows.filter(pk__gt=newest - MOST_READ, **{f"{column}__icontains": text})


def by_birth_date(days: Sequence[str]) -> QuerySet[Patient]:
    """The records that show of those who were born on one of `days`, each YYYYMMDD."""
    return Patient.objects.filter(birth_date__in=days, survivor=None)


def by_name(text: str) -> QuerySet[Patient]:
    """The records that show whose name begins as `text` says: "Family, Given", "Given Family" or a part."""
    condition = Q(pk__in=[])
    for key in spellings(text):
        for column in _columns(key):
            condition |= _begins(column, key)
    for key in _bare(spellings(text)):
        condition |= _begins("bare_key", key)
    return Patient.objects.filter(condition, survivor=None)


def by_name_and_birth_date(text: str, today: date) -> QuerySet[Patient]:
    """The records that show of those whose name and birth date `text` gives, in any order; else none."""
    name, days = typed_dates.beside(text, today)
    return by_name(name).filter(birth_date__in=days) if name else Patient.objects.none()


def meant(text: str, today: date) -> QuerySet[Patient]:
    """The records that show of those whose name, number, birth date or name with birth date `text` may be."""
    people = by_identifier(text) | by_name(text)
    if days := typed_dates.days(text, today):
        people |= by_birth_date(days)
    return people | by_name_and_birth_date(text, today)


def is_part_of_number(text: str) -> bool:
    """Whether a text is looked for inside numbers: it is long enough, and has a digit."""
    return len(text) >= SHORTEST_PART and any(letter.isdigit() for letter in text)


def by_part_of_name(text: str) -> QuerySet[Patient]:
    """The records that show whose name holds `text` anywhere; reads every name."""
    condition = Q(pk__in=[])
    for key in {spelling.rstrip("^") for spelling in spellings(text)}:
        for column in _columns(key):
            condition |= Q(**{f"{column}__contains": key})
    for key in _bare(spellings(text)):
        condition |= Q(bare_key__contains=key.rstrip("^"))
    return Patient.objects.filter(condition, survivor=None)


def of_persons(rows: QuerySet[Patient]) -> QuerySet[Patient]:
    """All records of the persons whose shown records are `rows`."""
    keys = rows.order_by().values("pk")
    return Patient.objects.filter(Q(pk__in=keys) | Q(survivor__in=keys))


def may_be_name(text: str) -> bool:
    """Whether a text is looked up as a name: it has a letter, and no digit."""
    return any(letter.isalpha() for letter in text) and not any(letter.isdigit() for letter in text)


def spellings(text: str) -> list[str]:
    """The beginnings of name keys that `text` may mean, the likeliest first."""
    folded = person_names.fold(" ".join(text.replace(",", "^").replace("=", " ").split()))
    if not folded.strip("^ "):
        return []
    found: dict[str, None] = {}
    for spelling in _written(folded):
        found[spelling] = None
        if len(found) == _MOST_SPELLINGS:
            break
    return list(found)


def _written(folded: str) -> Iterator[str]:
    for order in _orders(folded):
        for spelling in itertools.islice(_umlauts(order), _MOST_SPELLINGS // 3):
            yield spelling
            yield from _other_letters(spelling)


def _orders(folded: str) -> Iterator[str]:
    """Which words are the family name: as written, the first ones, or the last ones."""
    family, caret, given = (part.strip() for part in folded.partition("^"))
    if caret:
        yield f"{family}^{given}"
        return
    words = family.split()
    if len(words) == 1:
        yield family
        if not family.isascii() and all(_is_cjk(letter) for letter in family):
            yield from (f"{family[:at]}^{family[at:]}" for at in range(1, min(len(family), 5)))
        return
    for at in range(1, len(words)):
        yield f"{' '.join(words[:at])}^{' '.join(words[at:])}"
    for at in range(len(words) - 1, 0, -1):
        yield f"{' '.join(words[at:])}^{' '.join(words[:at])}"
    yield family


def _umlauts(text: str) -> Iterator[str]:
    """The text, then with each choice of umlauts written out, left out or put in."""
    yield text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    long = text
    for pair, umlaut in _UMLAUTS[:3]:
        long = long.replace(umlaut, pair)
    yield from (spelling for spelling in (long, plain) if spelling != text)
    if not plain.isascii():
        return
    for umlauts in (_UMLAUTS[:3], _UMLAUTS[3:]):
        places = [(at, *one) for at in range(len(text)) for one in umlauts if text.startswith(one[0], at)]
        yield from (_put(text, chosen) for chosen in _choices(places[:_MOST_PLACES]) if chosen)


def _choices(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """Each choice among places, that of all first."""
    for is_on in itertools.product((True, False), repeat=len(places)):
        yield list(itertools.compress(places, is_on))


def _put(text: str, places: Iterable[_Place]) -> str:
    for at, written, umlaut in sorted(places, reverse=True):
        text = text[:at] + umlaut + text[at + len(written) :]
    return text


def _other_letters(text: str) -> Iterator[str]:
    """The same in the other syllabary, or with Arabic letters that many write alike, without vowel marks."""
    if any("\u3041" <= letter <= "\u3096" or "\u30a1" <= letter <= "\u30f6" for letter in text):
        yield "".join(_shift(letter, "\u3041", "\u3096", _HIRAGANA_TO_KATAKANA) for letter in text)
        yield "".join(_shift(letter, "\u30a1", "\u30f6", -_HIRAGANA_TO_KATAKANA) for letter in text)
    if any("\u0600" <= letter <= "\u06ff" for letter in text):
        bare = "".join(letter for letter in text if not unicodedata.combining(letter) and letter != "ـ")
        yield bare
        yield bare.translate(_ALEFS)
        if bare.startswith("ا"):
            yield from (alef + bare[1:] for alef in "أإآ")


def _shift(letter: str, first: str, last: str, by: int) -> str:
    return chr(ord(letter) + by) if first <= letter <= last else letter


def _is_cjk(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff" or "\u3400" <= letter <= "\u9fff" or "\uac00" <= letter <= "\ud7a3"


def _bare(keys: Iterable[str]) -> list[str]:
    """The same without accents, each once; those in other scripts have no such key."""
    return list(dict.fromkeys(bare for key in keys if (bare := person_names.bare(key)).strip("^ ")))


def _columns(key: str) -> Sequence[str]:
    """Where a spelling can be found: ASCII only in the alphabetic group."""
    return PATIENT_KEYS[:1] if key.isascii() else PATIENT_KEYS


def _begins(column: str, key: str) -> Q:
    """What an index serves: SQLite's LIKE knows none, and PostgreSQL's order of text is not ours."""
    if connection.vendor == "sqlite":
        return Q(**{f"{column}__gte": key, f"{column}__lt": key + _LAST})
    return Q(**{f"{column}__startswith": key})


def _shown(named: QuerySet[Patient]) -> QuerySet[Patient]:
    roots = named.annotate(root=Coalesce("survivor_id", "pk")).values("root")
    return Patient.objects.filter(pk__in=roots)
