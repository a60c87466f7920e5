"""Pages as browsers read them: how a template is laid out means nothing."""

import re
from typing import Any

KEPT = re.compile(r"(<textarea\b[^<>]*>.*?</textarea>)", re.DOTALL)


def read(response: Any) -> str:
    """The markup of a page with one space where there are several, and none at the edges of elements.

    What is in text areas stays as it is.
    """
    return "".join(
        part if KEPT.match(part) else _plain(part) for part in KEPT.split(response.content.decode())
    )


def _plain(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"(</?[a-zA-Z][^<>]*?) >", r"\1>", text)
    return re.sub(r" (?=</)", "", re.sub(r"(<[a-zA-Z][^<>]*>) ", r"\1", text))
