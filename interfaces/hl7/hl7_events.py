"""What happens to HL7 messages and to the queues of their receivers, in words."""

from collections.abc import Iterator, Mapping
from typing import Final

from interfaces.hl7.inspect.message_tree import Place
from ledger.event_types import declare


class _Places(Mapping[str, str]):
    """Locations of errors as people write them: `PID^1^7` is PID-7."""

    def __getitem__(self, location: str) -> str:
        if not (text := str(Place.of(location))):
            raise KeyError(location)
        return text

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_READABLE: Final = {"locations": _Places()}

CLOCK_AHEAD: Final = declare(
    "hl7.clock_ahead", "The sender's clock is ahead; the time of receipt counts", short="clock ahead"
)
CHARACTERS_REPLACED: Final = declare(
    "hl7.characters_replaced",
    "Unreadable characters replaced at {locations}",
    short="characters replaced",
    labels=_READABLE,
)
LEFT_OUT: Final = declare(
    "hl7.values_left_out",
    "Applied without what could not be understood at {locations}",
    short="values left out",
    labels=_READABLE,
    tone="bad",
)
NUMBER_CONTRADICTED: Final = declare(
    "hl7.number_contradicted",
    "Another order number than in ORC, whose counts, at {locations}",
    short="another order number in OBR",
    labels=_READABLE,
    tone="bad",
)
SHORTENED: Final = declare(
    "hl7.descriptions_shortened",
    "Shortened to what modalities can show at {locations}",
    short="description shortened",
    labels=_READABLE,
)
OTHER_CHARACTER_SET: Final = declare(
    "hl7.other_character_set",
    "Read as {charset}: its bytes are not {declared}",
    short="other character set",
)
WAITS_FOR_ORDER: Final = declare(
    "hl7.waits_for_order", "Waits for its order, which has not come yet", short="waiting for its order"
)
STAYS_CANCELLED: Final = declare(
    "hl7.stays_cancelled",
    "The order stays cancelled: reopen it here, or have it ordered anew under another number",
    short="stays cancelled",
    tone="bad",
)
CHANGED_NOTHING: Final = declare(
    "hl7.changed_nothing",
    "Changed nothing: older than what was said at {newer}",
    short="changed nothing: older",
)
REPLAYED: Final = declare(
    "hl7.message_replayed",
    "Applied again as a new message[, changed at {changed}]",
    short="applied again",
)

WORK_DONE: Final = declare("hl7.work_done", "Marked as done", short="marked as done")
WORK_IGNORED: Final = declare("hl7.work_ignored", "Ignored", short="ignored")
WORK_REOPENED: Final = declare("hl7.work_reopened", "Put back on the work list", short="put back")
WORK_ASSIGNED: Final = declare("hl7.work_assigned", "Assigned to {person}", short="assigned")
BULK_REPLAYED: Final = declare(
    "hl7.message_replayed_in_bulk", "Applied again with {total} messages", short="applied again in bulk"
)
PAUSED: Final = declare("hl7.destination_paused", "Sending to {source} paused", short="sending paused")
UNPAUSED: Final = declare("hl7.destination_unpaused", "Sending to {source} goes on", short="sending goes on")

ALARM_RAISED: Final = declare("hl7.alarm_raised", "Alarm: {text}", short="alarm", tone="bad")
ALARM_CLEARED: Final = declare("hl7.alarm_cleared", "Alarm ended: {text}", short="alarm ended")

QUEUE_STOPPED: Final = declare(
    "hl7.queue_standing", "Sending to {source} stopped", short="sending stopped", tone="bad"
)
QUEUE_RESUMED: Final = declare("hl7.queue_moving", "Sending to {source} resumed", short="sending resumed")
DELIVERED: Final = declare("hl7.message_delivered", "{message_type} delivered to {source}", short="delivered")
WAITS: Final = declare(
    "hl7.message_waits", "{message_type} waits: {source} can't take it now", short="waits for the receiver"
)
ACCEPTED: Final = declare(
    "hl7.message_accepted",
    "{message_type} stored by {source}; its application has not confirmed it yet",
    short="accepted, not confirmed",
)
REFUSED_LATER: Final = declare(
    "hl7.message_refused_later",
    "{source} stored {message_type}, then could not apply it[: {error}]",
    short="not applied by the receiver",
    tone="bad",
)
UNCONFIRMED: Final = declare(
    "hl7.message_unconfirmed",
    "{source} stored {message_type} and never confirmed that it was applied",
    short="never confirmed",
    tone="bad",
)
STRAY: Final = declare(
    "hl7.stray_acknowledgment",
    "{source} acknowledged by {code} a message that was not sent to it[: {named}]",
    short="wrong acknowledgment",
    tone="bad",
)
STRAY_RECEIVED: Final = declare(
    "hl7.stray_acknowledgment_received",
    "It acknowledges a message that was not sent from here",
    short="wrong acknowledgment",
    tone="bad",
)
NUMBER_UNUSABLE: Final = declare(
    "hl7.number_unusable",
    "The number that {source} gave the order can't be used: {error}",
    short="number not usable",
    tone="bad",
)
TLS_LOADED: Final = declare(
    "hl7.tls_loaded", "Certificate of the listener loaded; it ends on {ends}", short="certificate loaded"
)
TLS_UNUSABLE: Final = declare(
    "hl7.tls_unusable",
    "TLS of the listener can't be used, it stays as it was: {error}",
    short="certificate not usable",
    tone="bad",
)
HELD: Final = declare("hl7.message_held", "Message held[: {error}]", short="held", tone="bad")
STOPPED: Final = declare(
    "hl7.message_stopped",
    "{source} does not accept {message_type}[: {error}]",
    short="not accepted",
    tone="bad",
)
RESENT: Final = declare("hl7.message_resent", "Message queued to be sent again")
RELEASED: Final = declare("hl7.message_released", "Message released")
SKIPPED: Final = declare("hl7.message_skipped", "Message skipped, never sent")
