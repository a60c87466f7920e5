from django.apps import AppConfig


class DicomConfig(AppConfig):
    name = "interfaces.dicom"
    label = "dicom"
