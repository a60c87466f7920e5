"""Do these images belong to that schedule? Evidence, candidates, verdict."""


def jobs_register() -> None:
    """Register the job and what asks for it; called from `AppConfig.ready()`."""
    from archive.reconcile import affected_studies, first_images, reconcile_job
    from ledger import jobs
    from worklist.signals import orders_changed, patients_changed

    judge = jobs.Handler(
        apply=reconcile_job.apply, prepare=reconcile_job.prepare, words="Check a study against the schedule"
    )
    jobs.register(reconcile_job.KIND, judge)
    begin = jobs.Handler(
        apply=first_images.apply,
        prepare=first_images.prepare,
        words="Start the exam that a study's first images are of",
    )
    jobs.register(first_images.KIND, begin)
    orders_changed.connect(affected_studies.on_orders_changed, dispatch_uid="archive.reconcile.order")
    patients_changed.connect(affected_studies.on_patients_changed, dispatch_uid="archive.reconcile.patients")
