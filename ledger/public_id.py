"""What a URL or the API may name: random identifiers, never the database's own keys."""

import os

from django.db import models


def new_public_id() -> str:
    """Make a random identifier of 32 hexadecimal digits."""
    return os.urandom(16).hex()


class PublicModel(models.Model):
    """A row that pages and the API name by `public_id`."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)

    class Meta:
        abstract = True
