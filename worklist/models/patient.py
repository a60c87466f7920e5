"""Patients, the authorities that number them, and the links between their records."""

from django.db import models

from accounts.models import Facility
from ledger.public_id import PublicModel


class AssigningAuthority(models.Model):
    """Who gives out identifiers (HL7 v2.5.1 2.A.36 HD; DICOM Issuer of Patient ID).

    The identifiers of a trusted authority name patient records; those of others are only attributes.
    """

    class Kind(models.TextChoices):
        FACILITY = "facility"
        NATIONAL = "national"
        PAYER = "payer"

    namespace = models.CharField(max_length=64, unique=True)
    universal_id = models.CharField(max_length=199, blank=True)
    universal_id_type = models.CharField(max_length=6, blank=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.FACILITY)
    trusted = models.BooleanField(default=True)
    from_site_file = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["universal_id", "universal_id_type"],
                condition=~models.Q(universal_id=""),
                name="authority_universal_id_once",
            )
        ]

    def __str__(self) -> str:
        return self.namespace


class Sex(models.TextChoices):
    """Administrative sex, as DICOM (PS3.3 C.7.1.1) has it; empty is unknown."""

    MALE = "M", "male"
    FEMALE = "F", "female"
    OTHER = "O", "other"


class Patient(PublicModel):
    """One record for each trusted identifier. Which records are one person, the links say.

    `survivor` is derived from the links: the record under which this one shows, itself where none.
    """

    facility = models.ForeignKey(Facility, on_delete=models.PROTECT, db_index=False, related_name="patients")
    authority = models.ForeignKey(
        AssigningAuthority, on_delete=models.PROTECT, db_index=False, related_name="patients"
    )
    value = models.CharField(max_length=250, help_text="as sent, with case and leading zeros")
    type = models.CharField(max_length=5, blank=True)
    survivor = models.ForeignKey(
        "self", on_delete=models.PROTECT, db_index=False, null=True, related_name="absorbed"
    )

    name = models.CharField(max_length=320, blank=True, help_text="DICOM PN, component groups by '='")
    character_set = models.CharField(
        max_length=64, blank=True, help_text="DICOM Specific Character Set that the name came in"
    )
    birth_date = models.CharField(max_length=8, blank=True, help_text="YYYYMMDD, or less where less is known")
    sex = models.CharField(max_length=1, choices=Sex, blank=True)
    address = models.CharField(max_length=500, blank=True)
    weight_kg = models.FloatField(null=True, blank=True)
    height_m = models.FloatField(null=True, blank=True)
    pregnancy = models.CharField(max_length=4, blank=True)
    allergies = models.CharField(max_length=1000, blank=True)
    allergy_changes = models.JSONField(
        default=dict,
        blank=True,
        db_default=models.Value({}, models.JSONField()),
        help_text="single allergies that were added or deleted, and the list that they are added to",
    )
    deleted_at_sender = models.BooleanField(
        default=False, db_default=False, help_text="its sender deleted it; nothing is lost here"
    )
    other_identifiers = models.JSONField(default=list, blank=True)
    name_key = models.CharField(max_length=320, blank=True, db_index=True, help_text="alphabetic, folded")
    bare_key = models.CharField(
        max_length=320, blank=True, db_index=True, help_text="alphabetic, folded, without accents"
    )
    ideographic_key = models.CharField(max_length=320, blank=True, db_index=True)
    phonetic_key = models.CharField(max_length=320, blank=True, db_index=True)
    stamps = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["authority", "value"], name="patient_natural_key"),
            models.CheckConstraint(condition=~models.Q(value=""), name="patient_has_identifier"),
        ]
        indexes = [
            models.Index(fields=["value"], name="patient_value"),
            models.Index(fields=["birth_date"], name="patient_birth_date"),
            models.Index(
                fields=["survivor"], name="patient_absorbed", condition=models.Q(survivor__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value}^^^{self.authority.namespace}"

    @property
    def current(self) -> "Patient":
        """The record under which this one shows."""
        return self if self.survivor is None else self.survivor


class FormerDescription(models.Model):
    """What a record said of its patient before it was corrected. Only ever added.

    `replaced_at` is when it was corrected here, not by its sender's clock: until then a worklist told devices
    what it said before, however late the message came.
    """

    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="former_descriptions")
    name = models.CharField(max_length=320, blank=True, help_text="DICOM PN")
    birth_date = models.CharField(max_length=8, blank=True)
    sex = models.CharField(max_length=1, blank=True)
    replaced_at = models.DateTimeField()


class LinkKind(models.TextChoices):
    """Why two records are one person, or two."""

    SAME_MESSAGE = "same message"
    MERGE = "merge"
    LINK = "link"
    RESOLVE = "resolve"
    UNLINK = "unlink"


class PatientLink(PublicModel):
    """A dated edge: `retired` shows under `survivor`, or they are parted. Nothing is moved.

    One that is closed counts as never said.
    """

    retired = models.ForeignKey(
        Patient, on_delete=models.PROTECT, db_index=False, related_name="links_as_retired"
    )
    survivor = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="links_as_survivor")
    kind = models.CharField(max_length=12, choices=LinkKind)
    stamp = models.CharField(max_length=400)
    source = models.CharField(max_length=200, blank=True)
    closed_by = models.CharField(max_length=200, blank=True)
    conflict = models.CharField(max_length=200, blank=True, help_text="derived: why it is not in effect")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["retired", "survivor", "kind", "stamp"], name="link_natural_key"),
            models.CheckConstraint(
                condition=~models.Q(retired=models.F("survivor")), name="link_joins_two_records"
            ),
        ]
