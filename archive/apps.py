from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "archive"
    label = "archive"

    def ready(self) -> None:
        """Register the standing work, the jobs and the decisions."""
        from archive import decisions, reconcile
        from archive.index import indexer
        from ledger import recurring

        recurring.register("archive.index", recurring.Work(batch=indexer.batch, waits=indexer.waits))
        reconcile.jobs_register()
        decisions.load()
