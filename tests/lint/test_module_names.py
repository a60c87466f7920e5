"""Module names that stand twice are told, unless they mirror a noun of what lies below."""

from lint.module_names import complaints


def test_a_name_stands_once_in_the_domain() -> None:
    (told,) = complaints(
        ["archive/index/facts.py", "worklist/facts.py", "ledger/errors.py", "archive/errors.py"]
    )
    assert "archive/index/facts.py" in told and "worklist/facts.py" in told


def test_the_edges_mirror_nouns_of_the_domain_and_nothing_else() -> None:
    mirrored = [
        "reporting/reading_worklist/x.py",
        "web/rest/reading_worklist.py",
        "web/pages/reading_worklist.py",
    ]
    assert not list(complaints(mirrored))
    assert len(list(complaints(["web/pages/a/rows.py", "web/pages/b/rows.py"]))) == 1
