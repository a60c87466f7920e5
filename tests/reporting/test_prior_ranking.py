"""Which prior stands beside the images that are read (reading.md 2)."""

import pytest

from reporting.reading_worklist import prior_ranking
from reporting.reading_worklist.prior_ranking import Examination

SIMILAR = (["CR", "DX"], ["CT", "PT"])


def exam(modality: str, words: str, date: str = "", time: str = "") -> Examination:
    return Examination.told([modality], [words], date, time)


def test_region_comes_before_modality_and_modality_before_age() -> None:
    current = exam("CT", "CHEST", "20260301")
    others = [
        exam("CT", "KNEE LEFT", "20260228"),
        exam("MR", "CHEST", "20260227"),
        exam("CT", "CT chest with contrast", "20200101"),
        exam("CT", "CHESTABDPELVIS", "20260226"),
        exam("PT", "Thorax", "20190101"),
        exam("CT", "", "20260225"),
        exam("CT", "CHEST", "20260401"),
        exam("CT", "CHEST", "20250101"),
    ]
    assert prior_ranking.ranked(current, others, SIMILAR) == [7, 2, 4, 1, 3, 5, 0, 6]
    comparable = [prior_ranking.is_comparable(current, one) for one in others]
    assert comparable == [False, True, True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("words", "regions"),
    [
        ("LSPINE", "spine"),
        ("HEADNECK", "head neck"),
        ("Chest PA and lateral", "chest"),
        ("FOREARM", "elbow"),
        ("X-ray left hip", "hip"),
        ("delivery", ""),
    ],
)
def test_regions_are_told_by_the_words_of_headers_and_procedures(words: str, regions: str) -> None:
    assert exam("DX", words).regions == set(regions.split())


def test_the_other_side_helps_less_than_both() -> None:
    current = exam("DX", "Knee left", "20260301")
    others = [exam("DX", "Knee right", "20260201"), exam("DX", "Knee bilateral", "20250201")]
    assert prior_ranking.ranked(current, others) == [1, 0]


@pytest.mark.parametrize(
    ("current", "other", "is_prior"),
    [
        ("101500", "095900.5", True),
        ("10:15", "0959", True),
        ("101500", "120000", False),
        ("101500", "101500", False),
        ("1015", "101459", True),
        ("1015", "101530", False),
        ("101500", "", False),
        ("", "095900", False),
    ],
)
def test_of_one_day_only_what_was_before_by_its_time_is_a_prior(
    current: str, other: str, is_prior: bool
) -> None:
    today, prior = exam("CT", "CHEST", "20260301", current), exam("CT", "CHEST", "20260301", other)
    assert prior_ranking.is_comparable(today, prior) == is_prior
    old = exam("CT", "CHEST", "20200101", "235959")
    assert prior_ranking.ranked(today, [old, prior]) == ([1, 0] if is_prior else [0, 1])
    assert prior_ranking.is_comparable(today, old) and not prior_ranking.is_comparable(old, today)
