from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "archive"
    label = "archive"

    def ready(self) -> None:
        """Register the standing work and the jobs."""
        from archive import reconcile
        from archive.index import indexer
        from ledger import recurring

        recurring.register("archive.index", recurring.Work(batch=indexer.batch, waits=indexer.waits))
        reconcile.jobs_register()
