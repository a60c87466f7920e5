from django.apps import AppConfig


class WorklistConfig(AppConfig):
    name = "worklist"
    label = "worklist"

    def ready(self) -> None:
        from accounts import site_version
        from worklist import catalogue

        site_version.watch(*catalogue.WATCHED)
