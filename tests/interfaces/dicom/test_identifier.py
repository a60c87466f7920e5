"""Identifiers to bytes and back; what can't be read is one kind of error."""

import random
import warnings

import pytest
from pydicom import Dataset

from interfaces.dicom.message_exchange import identifier
from interfaces.dicom.message_exchange.identifier import IdentifierError

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def query() -> Dataset:
    step = Dataset()
    step.Modality = "CT"
    step.ScheduledStationAETitle = ""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "MÜLLER*"
    dataset.ScheduledProcedureStepSequence = [step]
    return dataset


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_it_survives_a_round_trip(syntax: str) -> None:
    again = identifier.decode(identifier.encode(query(), syntax), syntax)
    assert again == query()
    assert str(again.PatientName) == "MÜLLER*"


def test_other_transfer_syntaxes_are_refused() -> None:
    for syntax in ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50", ""):
        with pytest.raises(IdentifierError):
            identifier.decode(b"", syntax)


def test_an_empty_one_is_empty() -> None:
    assert len(identifier.decode(b"", IMPLICIT)) == 0


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_mutants_raise_nothing_else(syntax: str) -> None:
    chance = random.Random(39)
    good = identifier.encode(query(), syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(1000):
            mutant = bytearray(good)
            for _ in range(chance.randrange(1, 5)):
                mutant[chance.randrange(len(mutant))] = chance.randrange(256)
            try:
                identifier.decode(bytes(mutant[: chance.randrange(len(mutant) + 1)]), syntax)
            except IdentifierError as error:
                assert error.status == 0xC000


def test_deep_nesting_is_an_error() -> None:
    """F44."""
    opening = b"\x08\0\x15\x11\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    with pytest.raises(IdentifierError):
        identifier.decode(opening * 5000, IMPLICIT)


def test_invalid_values_are_not_quoted_anywhere(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        name = b"DOE^JANE=\xff\xfe\\x" + b"y" * 300
        data = b"\x10\0\x10\0" + len(name).to_bytes(4, "little") + name
        identifier.decode(data, IMPLICIT)
    assert "DOE" not in caplog.text


def test_values_that_cant_be_written_are_an_error() -> None:
    dataset = Dataset()
    dataset.add_new(0x00280010, "US", "not a number")
    with pytest.raises(IdentifierError):
        identifier.encode(dataset, EXPLICIT)
