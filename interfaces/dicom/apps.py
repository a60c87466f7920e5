from django.apps import AppConfig


class DicomConfig(AppConfig):
    name = "interfaces.dicom"
    label = "dicom"

    def ready(self) -> None:
        """Say which services a station may be given in the site file."""
        from worklist.schedule import station_services

        station_services.offer(_service_names)


def _service_names() -> list[str]:
    """Asked for when a site file is read: most processes never do, and the services take long to load."""
    from interfaces.dicom import services

    return services.names()
