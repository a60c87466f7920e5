"""What the worklist tells those above it, inside the same transaction. Receivers write rows only.

One signal tells of all that a batch of messages changed, so receivers ask the database by sets.
"""

from django.dispatch import Signal

patients_changed = Signal()
"""Sent with `patients`, the `PatientRecord`s whose identity or demographics changed, and with `renamed`, the
keys of those records that had another name, birth date or sex before."""

orders_changed = Signal()
"""Sent with `orders`, the `OrderAggregate`s whose content, numbers, status or patient changed, and with
`newcomers`, those of their patients' records that were made with them and that nobody else is; `renamed` is
as above."""

links_changed = Signal()
"""Sent with `made` and `closed`, the `LinkRecord`s between patient records that are new, or taken back."""

person_described = Signal()
"""Sent with `patient`, `is_new` and `provenance` after a person registered a patient record or said something
new of it."""

order_acted = Signal()
"""Sent with `order`, `act`, `is_undone` and `is_news` after a person's act on an order or a step of it, or
the undo of one. It is news where the order's status is another by it, and where it is about an arrival or a
no-show."""

order_placed = Signal()
"""Sent with `order` after one was placed here, not by a message."""
