from django.apps import AppConfig
from django.db.backends.signals import connection_created


class LedgerConfig(AppConfig):
    name = "ledger"
    label = "ledger"

    def ready(self) -> None:
        """Declare the kinds of events; teach each connection what texts are compared by."""
        from ledger import (
            jobs,  # noqa: F401
            wildcards,
        )

        connection_created.connect(wildcards.teach_folding, dispatch_uid="wildcards")
