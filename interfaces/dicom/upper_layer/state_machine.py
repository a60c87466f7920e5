"""Acceptor side of the upper layer state machine: the rows of PS3.8 table 9-10 that an acceptor can meet.

Sta8 and Sta12 (awaiting the local user's A-RELEASE response) have no rows: the answer is given in the same
step, so that no event can fall between. Actions are named as in PS3.8 tables 9-6 to 9-9.
"""

from enum import StrEnum


class State(StrEnum):
    STA1 = "Sta1"  # idle: the transport connection is gone
    STA2 = "Sta2"  # transport connection open, awaiting A-ASSOCIATE-RQ
    STA3 = "Sta3"  # awaiting the local A-ASSOCIATE response
    STA6 = "Sta6"  # association established
    STA7 = "Sta7"  # we asked for release, awaiting A-RELEASE-RP
    STA10 = "Sta10"  # release collision, acceptor side: awaiting A-RELEASE-RP
    STA13 = "Sta13"  # awaiting transport connection close


class Event(StrEnum):
    A_ASSOCIATE_AC = "Evt3"
    A_ASSOCIATE_RJ = "Evt4"
    A_ASSOCIATE_RQ = "Evt6"
    P_DATA_TF = "Evt10"
    RELEASE_REQUEST = "Evt11"  # local A-RELEASE request primitive
    A_RELEASE_RQ = "Evt12"
    A_RELEASE_RP = "Evt13"
    ABORT_REQUEST = "Evt15"  # local A-ABORT request primitive, also what a passed deadline means
    A_ABORT = "Evt16"
    CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(StrEnum):
    AE_6 = "AE-6"
    DT_2 = "DT-2"
    AR_1 = "AR-1"
    AR_2 = "AR-2"
    AR_3 = "AR-3"
    AR_5 = "AR-5"
    AR_6 = "AR-6"
    AR_8 = "AR-8"
    AR_10 = "AR-10"
    AA_1 = "AA-1"
    AA_2 = "AA-2"
    AA_3 = "AA-3"
    AA_4 = "AA-4"
    AA_5 = "AA-5"
    AA_6 = "AA-6"
    AA_7 = "AA-7"
    AA_8 = "AA-8"


# The columns of TABLE, in this order.
_EVENTS = (
    Event.A_ASSOCIATE_RQ,
    Event.A_ASSOCIATE_AC,
    Event.A_ASSOCIATE_RJ,
    Event.P_DATA_TF,
    Event.A_RELEASE_RQ,
    Event.A_RELEASE_RP,
    Event.A_ABORT,
    Event.CLOSED,
    Event.INVALID_PDU,
    Event.ARTIM_EXPIRED,
    Event.ABORT_REQUEST,
    Event.RELEASE_REQUEST,
)

_ROWS = {
    State.STA2: "AE-6 AA-1 AA-1 AA-1 AA-1 AA-1 AA-2 AA-5 AA-1 AA-2 -    -",
    State.STA3: "AA-8 AA-8 AA-8 AA-8 AA-8 AA-8 AA-3 AA-4 AA-8 -    AA-1 -",
    State.STA6: "AA-8 AA-8 AA-8 DT-2 AR-2 AA-8 AA-3 AA-4 AA-8 -    AA-1 AR-1",
    State.STA7: "AA-8 AA-8 AA-8 AR-6 AR-8 AR-3 AA-3 AA-4 AA-8 -    AA-1 -",
    State.STA10: "AA-8 AA-8 AA-8 AA-8 AA-8 AR-10 AA-3 AA-4 AA-8 -   AA-1 -",
    State.STA13: "AA-7 AA-6 AA-6 AA-6 AA-6 AA-6 AA-2 AR-5 AA-7 AA-2 -    -",
}

TABLE: dict[tuple[State, Event], Action] = {
    (state, event): Action(cell)
    for state, row in _ROWS.items()
    for event, cell in zip(_EVENTS, row.split(), strict=True)
    if cell != "-"
}
