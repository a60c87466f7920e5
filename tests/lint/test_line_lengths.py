"""Lines of what pages are made of."""

from pathlib import Path

from lint.line_lengths import too_long


def test_a_line_that_is_too_long_is_named(tmp_path: Path) -> None:
    script = tmp_path / "ward.js"
    script.write_text("a" * 120 + "\n" + "ä" * 121 + "\n")

    assert too_long(script) == [f"{script}:2: 121 of 120 characters"]
