from django.apps import AppConfig


class ReportingConfig(AppConfig):
    name = "reporting"
    label = "reporting"

    def ready(self) -> None:
        """Declare the kinds of events; listen to the packages below; register the jobs and recurring work."""
        from archive.signals import study_previewing, study_settled
        from ledger import recurring
        from reporting import reporting_events  # noqa: F401
        from reporting.reading_worklist import (
            assignment,
            decision_effects,
            outside_answers,
            reading_items,
        )
        from reporting.rendering import render_job
        from reporting.reports import release_job, whose_outside_report
        from worklist.signals import orders_changed, patients_changed

        study_settled.connect(reading_items.follow_study, dispatch_uid="reporting.items.study")
        study_settled.connect(outside_answers.follow_study, dispatch_uid="reporting.outside_answers")
        study_settled.connect(
            whose_outside_report.follow_study, dispatch_uid="reporting.whose_outside_report.study"
        )
        orders_changed.connect(
            whose_outside_report.follow_orders, dispatch_uid="reporting.whose_outside_report.orders"
        )
        study_previewing.connect(
            decision_effects.effects_on_preview, dispatch_uid="reporting.reading_worklist.decision_effects"
        )
        orders_changed.connect(reading_items.follow_orders, dispatch_uid="reporting.items.order")
        patients_changed.connect(reading_items.follow_patients, dispatch_uid="reporting.items.patients")
        release_job.register()
        render_job.register()
        leases = recurring.Work(
            batch=assignment.release_abandoned, waits=lambda: assignment.abandoned().exists()
        )
        recurring.register("reporting.leases", leases)
