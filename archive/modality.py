"""Groups of modalities (0008,0060; PS3.3 C.7.3.1.1.1): not everything in a study was acquired."""

from typing import Final

DOCUMENTS: Final = frozenset({"SR", "DOC", "KO", "PR"})
"""What is written about images: reports, documents, key object selections, presentation states."""
NOT_ACQUIRED: Final = DOCUMENTS | {"SEG", "REG", "RTSTRUCT", "PLAN", "AU", "HD"}
"""What comes along with any study: no device took it of the patient in the exam."""
RADIOGRAPHS: Final = frozenset({"CR", "DX", "MG", "RG", "PX", "IO"})
"""Projections, each of which is an exposure of its own."""
UNSPECIFIC: Final = NOT_ACQUIRED | {"OT"}
"""What says nothing of the procedure."""
