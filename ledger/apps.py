from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "ledger"
    label = "ledger"

    def ready(self) -> None:
        """Declare the kinds of events."""
        from ledger import jobs  # noqa: F401
