"""IPC of OMI^O23: a scheduled step of a requested procedure (HL7 v2.5.1 4.5.6)."""

from collections.abc import Iterator, Sequence

from interfaces.hl7.syntax.message_parts import NULL, Segment, Segments

Code = dict[str, str]


def among(following: Sequence[Segment]) -> Sequence[Segment | None]:
    """The IPC of an order detail; None stands for the one step of an order without."""
    return [one for one in following if one.name == "IPC"] or [None]


def with_only(following: Sequence[Segment], ipc: Segment | None) -> Segments:
    """The segments of an order detail, with those of its other steps left out."""
    return Segments(tuple(one for one in following if one.name != "IPC" or one is ipc))


def protocols(ipc: Segment, known: Sequence[Code]) -> list[Code]:
    """The protocol codes (IPC-6, which repeats), those left out that the step has already."""
    return [code for code in _codes(ipc) if code not in known]


def _codes(ipc: Segment) -> Iterator[Code]:
    for one in ipc.field(6).repetitions:
        code = one.component(1).strip()
        if code and code != NULL:
            meaning = one.component(2).strip() or code
            yield {"code": code, "scheme": one.component(3).strip() or "L", "meaning": meaning}
