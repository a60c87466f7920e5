from django.apps import AppConfig


class WorklistConfig(AppConfig):
    name = "worklist"
    label = "worklist"

    def ready(self) -> None:
        """Declare the kinds of events."""
        from worklist import worklist_events  # noqa: F401
