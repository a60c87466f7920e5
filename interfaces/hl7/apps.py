from django.apps import AppConfig


class HL7Config(AppConfig):
    name = "interfaces.hl7"
    label = "hl7"

    def ready(self) -> None:
        """Declare the kinds of events; register the jobs and the messages that go out."""
        from interfaces.hl7 import hl7_events  # noqa: F401
        from interfaces.hl7.inbound import inbox
        from interfaces.hl7.outbound import delivery, order_status, results

        inbox.register()
        delivery.register()
        order_status.register()
        results.register()
