from django.apps import AppConfig


class HL7Config(AppConfig):
    name = "interfaces.hl7"
    label = "hl7"
