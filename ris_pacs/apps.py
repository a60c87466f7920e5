from django.apps import AppConfig


class FrontDoorConfig(AppConfig):
    name = "ris_pacs"
    label = "front_door"
