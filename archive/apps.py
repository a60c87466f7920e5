from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "archive"
    label = "archive"

    def ready(self) -> None:
        """Declare the kinds of events; register the recurring work, the jobs and the decisions."""
        from archive import archive_events, decisions, reconcile, rejections  # noqa: F401
        from archive.index import indexer, resent_objects
        from ledger import recurring

        recurring.register("archive.index", recurring.Work(batch=indexer.batch, waits=indexer.waits))
        reconcile.jobs_register()
        resent_objects.register()
        rejections.jobs_register()
        decisions.load()
