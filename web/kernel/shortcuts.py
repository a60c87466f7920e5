"""The keys of all pages: one key has one meaning wherever it is pressed, in the words that `?` shows.

Keys without a modifier work from the page; in a text, the same with Alt. Templates name a meaning:
`{% key "next" %}`. Decisions have the digits, which are theirs alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Shortcut:
    """A key as browsers name it, its modifiers before it, and what it does in general."""

    name: str
    key: str
    words: str

    @property
    def shown(self) -> str:
        """The key as people write it: Alt+P is pressed without Shift."""
        *held, key = self.key.split("+") if len(self.key) > 1 else [self.key]
        return "+".join([*held, key.upper() if held and len(key) == 1 else key])


SHORTCUTS: Final = (
    Shortcut("search", "/", "Search"),
    Shortcut("help", "?", "Show all keys"),
    # Lists
    Shortcut("down", "j", "Next row"),
    Shortcut("up", "k", "Previous row"),
    Shortcut("open", "Enter", "Open the row"),
    Shortcut("select", "x", "Select the row"),
    Shortcut("filter", "f", "Filter"),
    Shortcut("earlier", "[", "Previous part"),
    Shortcut("later", "]", "Next part"),
    Shortcut("previous_tab", ",", "Previous tab"),
    Shortcut("next_tab", ".", "Next tab"),
    Shortcut("open_all", "+", "Open all"),
    Shortcut("close_all", "-", "Close all"),
    Shortcut("refresh", "r", "Show what is new"),
    Shortcut("view", "v", "Change the view"),
    Shortcut("export", "E", "Export as CSV"),
    Shortcut("copy", "C", "Copy"),
    Shortcut("print", "P", "Print"),
    # Everywhere
    Shortcut("next", "n", "Next"),
    Shortcut("back", "b", "Back"),
    Shortcut("undo", "u", "Undo"),
    Shortcut("images", "i", "Open the images"),
    Shortcut("whose", "e", "Who is this?"),
    Shortcut("why", "q", "Why is it not offered?"),
    Shortcut("new", "Insert", "New"),
    Shortcut("discard", "Delete", "Cancel, discard or revoke"),
    Shortcut("retry", "t", "Try again"),
    Shortcut("save", "Ctrl+s", "Save"),
    Shortcut("confirm", "Ctrl+Enter", "Sign or confirm"),
    Shortcut("pane", "F6", "Other pane"),
    # Decisions that wait for a second person
    Shortcut("confirm_decision", "y", "Confirm the decision"),
    Shortcut("decline_decision", "N", "Decline the decision"),
    # Decisions for which no digit is left
    Shortcut("restore_images", "B", "Restore images"),
    Shortcut("reject_images", "I", "Reject images"),
    # Technologists
    Shortcut("arrive", "a", "Arrive"),
    Shortcut("start", "s", "Start"),
    Shortcut("complete", "c", "Complete"),
    Shortcut("no_show", "h", "No-show"),
    Shortcut("reopen", "o", "Reopen"),
    Shortcut("unscheduled", "T", "What is to be scheduled"),
    Shortcut("walk_in", "w", "Walk-in or new order"),
    Shortcut("label", "l", "Print a label"),
    # Reading
    Shortcut("prior_report", "=", "Read the prior's report beside the draft"),
    Shortcut("skip", "p", "Skip (pass over)"),
    Shortcut("reserve", "m", "Reserve for yourself"),
    Shortcut("dictate", "d", "Dictate"),
    Shortcut("record", "Ctrl+d", "Record or pause"),
    Shortcut("read_stat", "Alt+s", "Park this exam and read the STAT"),
    Shortcut("addendum", "A", "Add an addendum"),
    Shortcut("unpark", "Alt+p", "Back to the parked exam"),
    # Transcription
    Shortcut("sound_back", "F1", "5 seconds back"),
    Shortcut("play", "F2", "Play or pause"),
    Shortcut("sound_on", "F3", "5 seconds on"),
    Shortcut("finish", "F4", "Finish"),
    Shortcut("loop", "F8", "Loop"),
    Shortcut("mark", "Alt+?", "Mark an unclear passage"),
    # Messages and queues
    Shortcut("stations", "g", "Stations"),
    Shortcut("repair", "R", "Repair and replay"),
    Shortcut("replay", "z", "Replay unchanged"),
    Shortcut("hold_queue", "H", "Hold the queue"),
    Shortcut("release_queue", "O", "Release the queue"),
    Shortcut("skip_message", "S", "Skip the message"),
)
_BY_NAME: Final = {one.name: one for one in SHORTCUTS}
OF_LISTS: Final = ("down", "up", "open", "select")
"""What works in every list without an element of its own."""


def shortcut(name: str) -> Shortcut:
    """The shortcut of a meaning; raises `KeyError` for one that is not here."""
    return _BY_NAME[name]


def key(name: str) -> str:
    """The key of a meaning."""
    return shortcut(name).key


def conflicts(shortcuts: Iterable[Shortcut]) -> Iterator[str]:
    """Keys with two meanings, meanings with two keys, and digits, which are the decisions'."""
    seen: dict[str, str] = {}
    for one in shortcuts:
        if one.key.isdigit():
            yield f"{one.key} is a decision's, not {one.name}'s"
        for what in (f"key {one.key}", f"name {one.name}", f"words {one.words}"):
            if what in seen:
                yield f"{seen[what]} and {one.name} have the same {what}"
            seen[what] = one.name
