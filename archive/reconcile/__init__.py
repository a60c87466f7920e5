"""Do these images belong to that schedule? Facts, candidates, evidence, verdict; and what people decide."""


def jobs_register() -> None:
    """Register the job and what asks for it; called from `AppConfig.ready()`."""
    from archive.reconcile import reconciling, triggers
    from ledger import jobs
    from worklist.signals import order_changed, patients_changed

    jobs.register(reconciling.KIND, jobs.Handler(apply=reconciling.apply, prepare=reconciling.prepare))
    order_changed.connect(triggers.on_order_changed, dispatch_uid="archive.reconcile.order")
    patients_changed.connect(triggers.on_patients_changed, dispatch_uid="archive.reconcile.patients")
