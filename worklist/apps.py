from django.apps import AppConfig


class WorklistConfig(AppConfig):
    name = "worklist"
    label = "worklist"

    def ready(self) -> None:
        """Declare the kinds of events; listen to what happens to facilities and to the site's tables."""
        from accounts import site_version
        from accounts.signals import time_zone_changed
        from worklist import catalogue, master_files, worklist_events  # noqa: F401
        from worklist.schedule import appointment_effects, wall_clock
        from worklist.signals import orders_changed, patients_changed

        site_version.watch(*catalogue.WATCHED, *master_files.WATCHED)
        orders_changed.connect(appointment_effects.follow_orders, dispatch_uid="worklist.appointments.orders")
        patients_changed.connect(
            appointment_effects.follow_patients, dispatch_uid="worklist.appointments.patients"
        )
        appointment_effects.register()
        time_zone_changed.connect(wall_clock.follow_time_zone, dispatch_uid="worklist.wall_clock")
