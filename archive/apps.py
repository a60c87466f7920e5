from django.apps import AppConfig


class ArchiveConfig(AppConfig):
    name = "archive"
    label = "archive"

    def ready(self) -> None:
        """Declare the kinds of events; register the recurring work, the jobs and the decisions."""
        from archive import archive_events, decisions, reconcile, rejections  # noqa: F401
        from archive.imports import import_acts, import_job, import_leftovers
        from archive.index import indexer, resent_objects, visible_headers
        from ledger import jobs, recurring

        recurring.register("archive.index", recurring.Work(batch=indexer.batch, waits=indexer.waits))
        recurring.register(
            "archive.imports", recurring.Work(batch=import_leftovers.batch, waits=import_leftovers.waits)
        )
        jobs.register(
            import_acts.JOB,
            jobs.Handler(
                prepare=import_job.prepare, apply=import_job.apply, words="Take in what was uploaded"
            ),
        )
        reconcile.jobs_register()
        resent_objects.register()
        visible_headers.register()
        rejections.jobs_register()
        decisions.load()
