from django.apps import AppConfig


class FrontDoorConfig(AppConfig):
    name = "ris_pacs"
    label = "front_door"

    def ready(self) -> None:
        from accounts import siting
        from ris_pacs import site

        siting.register_file(site.state)
