from django.apps import AppConfig


class HL7Config(AppConfig):
    name = "interfaces.hl7"
    label = "hl7"

    def ready(self) -> None:
        """Declare the kinds of events; register the jobs and the messages that go out."""
        from archive.signals import study_previewing
        from interfaces.hl7 import hl7_events  # noqa: F401
        from interfaces.hl7.inbound import doubts_settled, inbox
        from interfaces.hl7.inspect import bulk_replay
        from interfaces.hl7.monitoring import alarm_notices, alarms
        from interfaces.hl7.outbound import (
            acknowledgments,
            decision_effects,
            delivery,
            message_types,
            messages,
        )

        inbox.register()
        doubts_settled.register()
        delivery.register()
        acknowledgments.register()
        alarms.register()
        bulk_replay.register()
        alarm_notices.register()
        for message_type in messages.ALL:
            message_types.register(message_type)
        study_previewing.connect(decision_effects.effects_on_preview, dispatch_uid="hl7.decision_effects")
