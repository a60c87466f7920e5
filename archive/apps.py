from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "archive"
    label = "archive"

    def ready(self) -> None:
        """Register the standing work and the jobs."""
        from archive import indexing, reconcile
        from ledger import standing

        standing.register("archive.index", standing.Work(batch=indexing.batch, waits=indexing.waits))
        reconcile.jobs_register()
