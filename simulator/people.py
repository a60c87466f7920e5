"""Patients: made-up people with the names that a hospital really sees."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

UTF_8 = "UNICODE UTF-8"


@dataclass(frozen=True)
class Person:
    """A patient as the HIS knows one.

    `names` are up to three groups (alphabetic, ideographic, phonetic), each family, given, middle, prefix,
    suffix. `charset` is the HL7 character set (Table 0211) that the HIS sends this patient in.
    """

    patient_id: str
    names: tuple[tuple[str, ...], ...]
    birth_date: str
    sex: str
    charset: str = UTF_8
    allergy: str = ""
    address: str = ""
    weight_kg: int = 0

    @property
    def dicom_name(self) -> str:
        """PN (PS3.5 6.2): family^given^middle^prefix^suffix, groups parted by `=`."""
        return "=".join("^".join(group).rstrip("^") for group in self.names)

    def renamed(self, family: str) -> "Person":
        """The same person under another family name."""
        first, *others = self.names
        return replace(self, names=((family, *first[1:]), *others))

    def with_name(self, dicom_name: str) -> "Person":
        """The same person, as a console spells the name."""
        return replace(self, names=tuple(tuple(group.split("^")) for group in dicom_name.split("=")))


_FAMILIES = (
    "Müller", "Schäfer", "Weiß", "Großmann", "Jäger", "Köhler", "Böhm", "Krüger", "Löwe", "Möller", "Bars",
    "Fischer", "Wagner", "Hoffmann", "Petersen", "Lehmann", "Kowalski", "Núñez", "Fernández", "O'Brien",
    "Sørensen", "Dvořáková", "Yılmaz", "Lindqvist", "Brandt", "Seidel", "Ziegler", "Neumann", "Hartmann",
    "Winter", "Sommer", "Kaiser", "Vogel", "Berger", "Franke", "Albrecht", "Simon", "Ludwig", "Winkler",
    "Schuster",
)  # fmt: skip
_DOUBLE = (
    ("von der Leyden-Hohenfels", "Maximiliane Theodora", "Elisabeth", "Dr.", ""),
    ("Leutheusser-Schnarrenbergmann", "Hannelore", "Friederike", "Prof. Dr.", ""),
    ("van den Wijngaert-de Groot", "Cornelis", "Johannes", "", "Jr."),
    ("García y Fernández de Córdoba", "María del Carmen", "", "", ""),
)
_GIVEN_F = (
    "Anna", "Eva", "Rita", "Zoë", "Marie", "Greta", "Nora", "Hannelore", "Franziska", "Jördis", "Bärbel",
    "Ursula", "Ingrid", "Sofia", "Clara", "Lena", "Ayşe", "Käthe", "Renée", "Johanna",
)  # fmt: skip
_GIVEN_M = (
    "Otto", "Jörg", "Anton", "Peter", "José", "Karl", "Matthias", "Sebastian", "Lukas", "Emil", "Jürgen",
    "Günther", "Håkon", "Paul", "Viktor", "Tomáš", "Rémi", "Björn", "Hans-Jürgen", "Emre",
)  # fmt: skip
_MAIDEN = (
    "Ackermann", "Bergner", "Dorn", "Engelhardt", "Faber", "Gärtner", "Holzer", "Immel", "Kessler", "Lindner",
)  # fmt: skip

_OTHERS: tuple[tuple[str, tuple[tuple[str, ...], ...], str], ...] = (
    ("~ISO IR87", (("Yamada", "Tarou"), ("山田", "太郎"), ("やまだ", "たろう")), "M"),
    ("~ISO IR87", (("Sasaki", "Hanako"), ("佐々木", "花子"), ("ささき", "はなこ")), "F"),
    (UTF_8, (("Tanaka", "Misaki"), ("田中", "美咲"), ("たなか", "みさき")), "F"),
    (UTF_8, (("Suzuki", "Kenji"), ("鈴木", "健二"), ("すずき", "けんじ")), "M"),
    ("KS X 1001", (("Hong", "Gildong"), ("洪", "吉洞"), ("홍", "길동")), "M"),
    (UTF_8, (("Kim", "Seoyeon"), ("金", "瑞娟"), ("김", "서연")), "F"),
    ("8859/6", (("قباني", "نزار"),), "M"),
    (UTF_8, (("الخطيب", "ليلى"),), "F"),
    ("8859/7", (("Παπαδόπουλος", "Διονύσιος"),), "M"),
    (UTF_8, (("Οικονόμου", "Ελένη"),), "F"),
    (UTF_8, (("Wang", "Xiaodong"), ("王", "小东")), "M"),
    (UTF_8, (("Иванова", "Людмила"),), "F"),
)
_ALLERGIES = ("Iodinated contrast", "Penicillin", "Latex", "Gadolinium", "Nickel")
_TOWNS = (
    "Lindenstraße 4^^Neustadt",
    "Am Markt 12^^Altenburg",
    "Hafenweg 7^^Seestadt",
    "Schulgasse 1^^Bergen",
)


def crowd(dice: random.Random, prefix: str) -> Iterator[Person]:
    """People without end, no two of one name and birth date; their patient IDs begin with `prefix`."""
    number = 0
    known: set[tuple[str, str]] = set()
    others = list(_OTHERS)
    dice.shuffle(others)
    while True:
        charset, names, sex = _draw(dice, others, number)
        birth = f"{_year(dice)}{dice.randrange(1, 13):02}{dice.randrange(1, 29):02}"
        if (names[0][0].casefold(), birth) in known:
            continue
        known.add((names[0][0].casefold(), birth))
        number += 1
        yield Person(
            # Every third digit apart, so that one slip of a finger does not make another patient's number.
            patient_id=f"{prefix}{number * 37:05}",
            names=names,
            birth_date=birth,
            sex=sex,
            charset=charset,
            allergy=dice.choice(_ALLERGIES) if dice.random() < 0.18 else "",
            address=dice.choice(_TOWNS),
            weight_kg=dice.randrange(48, 110),
        )


def maiden_name(dice: random.Random) -> str:
    """A family name that none of the crowd has."""
    return dice.choice(_MAIDEN)


def _draw(
    dice: random.Random, others: list[tuple[str, tuple[tuple[str, ...], ...], str]], number: int
) -> tuple[str, tuple[tuple[str, ...], ...], str]:
    if number % 6 == 4:
        return others[number // 6 % len(others)]
    if number % 17 == 9:
        name = _DOUBLE[number // 17 % len(_DOUBLE)]
        return UTF_8, (name,), "M" if name[1] == "Cornelis" else "F"
    sex = dice.choice("FM")
    plain = (dice.choice(_FAMILIES), dice.choice(_GIVEN_F if sex == "F" else _GIVEN_M))
    return ("8859/1" if _is_latin_1(plain) and dice.random() < 0.3 else UTF_8), (plain,), sex


def _year(dice: random.Random) -> int:
    """Hospitals see the old more often."""
    return dice.choice((dice.randrange(1935, 1965), dice.randrange(1945, 1985), dice.randrange(1970, 2012)))


def _is_latin_1(name: tuple[str, ...]) -> bool:
    try:
        "".join(name).encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
