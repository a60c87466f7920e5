"""Unique identifiers, as strangers send them."""

import re

# PS3.5 9.1 says no component but 0 starts with 0. Devices send such UIDs and we refuse no image for one;
# what matters to us is that digits, single dots and 64 characters can't name a path.
UID_PATTERN = re.compile(r"[0-9]+(?:\.[0-9]+)+", re.ASCII)


def valid_uid(text: str) -> bool:
    """Tell whether `text` can be a UID (PS3.5 9.1), padding already stripped; leading zeros are tolerated."""
    return len(text) <= 64 and UID_PATTERN.fullmatch(text) is not None
