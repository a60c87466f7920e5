from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"
    label = "reporting"

    def ready(self) -> None:
        """Listen to what happens to studies, orders and patients; register the jobs and standing work."""
        from archive.signals import study_previewing, study_settled
        from ledger import jobs, standing
        from reporting import foretelling, items, reading, signing
        from reporting.rendering import storing
        from worklist.signals import order_changed, patients_changed

        study_settled.connect(items.follow_study, dispatch_uid="reporting.items.study")
        study_previewing.connect(foretelling.foretell, dispatch_uid="reporting.foretelling")
        order_changed.connect(items.follow_order, dispatch_uid="reporting.items.order")
        patients_changed.connect(items.follow_patients, dispatch_uid="reporting.items.patients")
        jobs.register(signing.RELEASE, jobs.Handler(apply=signing.release))
        storing.register()
        leases = standing.Work(batch=reading.release_abandoned, waits=lambda: reading.abandoned().exists())
        standing.register("reporting.leases", leases)
