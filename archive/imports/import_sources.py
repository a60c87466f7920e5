"""Under which AE titles what comes in other than over the network is kept: where identifiers come from.

A disc's patient IDs are those of the hospital that burned it, unless its headers say whose they are. Who
scans film here types in what is known here.
"""

from typing import Final

DISC: Final = "IMPORT"
SCANNER: Final = "SCAN"
IMPORTED: Final = frozenset({DISC, SCANNER})
"""What comes by these came when somebody brought it, whenever it was made."""
UNKNOWN_ISSUER: Final = "unknown outside"
"""Who gave the patient IDs of a disc that does not say so: not us, whatever number it is."""
