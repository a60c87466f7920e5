"""Volumes and the files on them."""

from django.db import models

from archive.models.study import Instance


class Volume(models.Model):
    """A folder of a mounted file system on which objects lie."""

    name = models.CharField(max_length=32, unique=True)
    path = models.CharField(max_length=500, help_text="relative to the home, or absolute")
    is_open = models.BooleanField(default=True, help_text="takes new objects")
    from_site_file = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.name


class StoredFile(models.Model):
    """A file of an instance: DICOM Part 10, its dataset bytes as received."""

    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="files")
    volume = models.ForeignKey(Volume, on_delete=models.PROTECT, db_index=False, related_name="files")
    name = models.CharField(max_length=100, help_text="random, below the volume's path")
    size = models.PositiveBigIntegerField(help_text="bytes of the whole file")
    dataset_offset = models.PositiveIntegerField(help_text="where the dataset begins")
    sha256 = models.CharField(max_length=64, help_text="of the dataset's bytes, in hexadecimal")
    transfer_syntax_uid = models.CharField(max_length=64)
    verified_at = models.DateTimeField(null=True, blank=True)
    is_current = models.BooleanField(
        default=True, db_default=True, help_text="what its object is now; others are other versions of it"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["volume", "name"], name="stored_file_natural_key")]
