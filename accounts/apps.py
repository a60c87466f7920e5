from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    label = "accounts"

    def ready(self) -> None:
        """Declare the kinds of events, and have changes to sections of the site noticed."""
        from accounts import account_events, site_version  # noqa: F401
        from accounts.models import SiteSection

        site_version.watch(SiteSection)
