from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    label = "accounts"

    def ready(self) -> None:
        """Declare the kinds of events."""
        from accounts import account_events  # noqa: F401
