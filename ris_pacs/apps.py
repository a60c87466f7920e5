from django.apps import AppConfig


class FrontConfig(AppConfig):
    name = "ris_pacs"
    label = "front_door"

    def ready(self) -> None:
        """Make our Celery application that of all threads; say how pages learn of the site file."""
        from accounts import site_sync
        from ris_pacs import celery, site

        # Else threads that Django did not start notify some other broker.
        celery.app.set_default()
        site_sync.register_file(site.state)
