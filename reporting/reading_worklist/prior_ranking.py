"""Which prior examination helps most: by region of the body, then by modality, then by age.

It knows no database: what an examination is called and what its headers say is told to it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

_REGIONS: Final[Mapping[str, str]] = {
    "head": "HEAD BRAIN SKULL CRANIUM CRANIAL FACE FACIAL SINUS ORBIT EYE EAR IAC PITUITARY JAW TMJ MANDIBLE",
    "neck": "NECK CAROTID THYROID LARYNX CSPINE CERVICAL",
    "chest": "CHEST THORAX LUNG HEART CARDIAC CORONARY RIB RIBS STERNUM MEDIASTINUM CAP TAP",
    "abdomen": "ABDOMEN ABD LIVER KIDNEY RENAL PANCREAS SPLEEN UROGRAM COLON BOWEL GALLBLADDER CAP TAP",
    "pelvis": "PELVIS BLADDER PROSTATE UTERUS OVARY RECTUM SACRUM CAP TAP",
    "breast": "BREAST MAMMOGRAM MAMMOGRAPHY",
    "spine": "SPINE CSPINE TSPINE LSPINE CERVICAL THORACIC LUMBAR LUMBOSACRAL SACRUM COCCYX",
    "shoulder": "SHOULDER CLAVICLE SCAPULA HUMERUS",
    "elbow": "ELBOW FOREARM RADIUS ULNA",
    "hand": "HAND WRIST FINGER THUMB",
    "hip": "HIP FEMUR THIGH",
    "knee": "KNEE PATELLA",
    "ankle": "ANKLE FOOT TOE CALCANEUS HEEL",
    "leg": "LEG TIBIA FIBULA",
}
"""Parts of the body by words of Body Part Examined (PS3.16 Annex L) and of what procedures are called."""
_LONG: Final = 4
"""Letters from which a word is found at an end of another: CHEST in CHESTABDPELVIS."""
_OF_WORD: Final = {
    word: frozenset(region for region, words in _REGIONS.items() if word in words.split())
    for words in _REGIONS.values()
    for word in words.split()
}
_SIDES: Final = {"LEFT": "L", "LT": "L", "RIGHT": "R", "RT": "R", "BILATERAL": "LR", "BOTH": "LR"}


@dataclass(frozen=True)
class Examination:
    """What is known of a study, or of what is to be read: `date` and `time` as DICOM writes them.

    Both are empty where unknown.
    """

    modalities: frozenset[str]
    regions: frozenset[str]
    sides: frozenset[str]
    date: str = ""
    time: str = ""

    @classmethod
    def told(
        cls, modalities: Iterable[str], words: Iterable[str], date: str = "", time: str = ""
    ) -> "Examination":
        """From its modalities and the words that body parts and descriptions use."""
        parts = {part for text in words for part in re.findall(r"[A-Z]+", text.upper())}
        regions = {region for part in parts for region in _regions(part)}
        sides = {side for part in parts for side in _SIDES.get(part, "")}
        return cls(
            frozenset(modalities),
            frozenset(regions),
            frozenset(sides),
            date[:8],
            time.replace(":", "").strip(),
        )


def ranked(
    current: Examination, others: Sequence[Examination], similar: Sequence[Collection[str]] = ()
) -> list[int]:
    """The places of `others` in the order of their worth beside `current`, the best first.

    Region, then modality (`similar` are groups of like ones), then age; what is not known to be older than
    `current` is no prior and comes last.
    """

    def worth(place: int) -> tuple[bool, int, int, int, int]:
        other = others[place]
        date = int(other.date) if other.date.isdigit() else 0
        kinds = _modality(current, other, similar)
        return not is_earlier(current, other), _region(current, other), kinds, -date, place

    return sorted(range(len(others)), key=worth)


def is_comparable(current: Examination, other: Examination) -> bool:
    """Whether a prior shows what is read now; what nobody can say of it is left to the reader."""
    return is_earlier(current, other) and _region(current, other) < _UNKNOWN


def is_earlier(current: Examination, other: Examination) -> bool:
    """Whether `other` was before: of one day, where the times tell it as far as both go (PS3.5 6.2, TM).

    What has no date is taken as an old one.
    """
    if not current.date or not other.date or current.date != other.date:
        return not current.date or other.date < current.date
    known = min(len(current.time), len(other.time))
    return other.time[:known] < current.time[:known]


_UNKNOWN: Final = 3


def _region(one: Examination, other: Examination) -> int:
    if not one.regions or not other.regions:
        return _UNKNOWN
    if not one.regions & other.regions:
        return _UNKNOWN + 1
    if one.sides and other.sides and not one.sides & other.sides:
        return 2
    return int(one.regions != other.regions)


def _modality(one: Examination, other: Examination, similar: Sequence[Collection[str]]) -> int:
    if one.modalities & other.modalities:
        return 0
    return 1 if any(one.modalities & set(kin) and other.modalities & set(kin) for kin in similar) else 2


def _regions(part: str) -> frozenset[str]:
    if part in _OF_WORD:
        return _OF_WORD[part]
    known = ((word, regions) for word, regions in _OF_WORD.items() if len(word) >= _LONG)
    return frozenset().union(*(regions for word, regions in known if _is_joined(part, word)))


def _is_joined(part: str, word: str) -> bool:
    return part.startswith(word) or part.endswith(word)
