from django.apps import AppConfig


class HL7Config(AppConfig):
    name = "interfaces.hl7"
    label = "hl7"

    def ready(self) -> None:
        from interfaces.hl7.inbound import inbox
        from interfaces.hl7.outbound import delivery, order_status, results

        inbox.register()
        delivery.register()
        order_status.register()
        results.register()
