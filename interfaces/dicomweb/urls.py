"""Resources of DICOMweb (PS3.18 tables 10.4.1-1 and 10.6.1-1)."""

from django.urls import path

from interfaces.dicomweb import qido, rendered, wado

_STUDY = "studies/<str:study>"
_SERIES = f"{_STUDY}/series/<str:series>"
_INSTANCE = f"{_SERIES}/instances/<str:instance>"

urlpatterns = [
    path("studies", qido.studies, name="dicomweb-studies"),
    path("series", qido.series, name="dicomweb-all-series"),
    path("instances", qido.instances, name="dicomweb-all-instances"),
    path(f"{_STUDY}/series", qido.series, name="dicomweb-series-of-study"),
    path(f"{_STUDY}/instances", qido.instances, name="dicomweb-instances-of-study"),
    path(f"{_SERIES}/instances", qido.instances, name="dicomweb-instances-of-series"),
    path(_STUDY, wado.retrieve, name="dicomweb-study"),
    path(_SERIES, wado.retrieve, name="dicomweb-series"),
    path(_INSTANCE, wado.retrieve, name="dicomweb-instance"),
    path(f"{_STUDY}/metadata", wado.metadata, name="dicomweb-study-metadata"),
    path(f"{_SERIES}/metadata", wado.metadata, name="dicomweb-series-metadata"),
    path(f"{_INSTANCE}/metadata", wado.metadata, name="dicomweb-instance-metadata"),
    path(f"{_INSTANCE}/frames/<str:numbers>", wado.frame_list, name="dicomweb-frames"),
    path(f"{_INSTANCE}/rendered", rendered.rendered, name="dicomweb-rendered"),
    path(f"{_INSTANCE}/frames/<str:number>/rendered", rendered.rendered, name="dicomweb-frame-rendered"),
    path(f"{_STUDY}/thumbnail", rendered.thumbnail, name="dicomweb-study-thumbnail"),
    path(f"{_SERIES}/thumbnail", rendered.thumbnail, name="dicomweb-series-thumbnail"),
    path(f"{_INSTANCE}/thumbnail", rendered.thumbnail, name="dicomweb-thumbnail"),
    path(f"{_INSTANCE}/frames/<str:number>/thumbnail", rendered.thumbnail, name="dicomweb-frame-thumbnail"),
    path(f"{_INSTANCE}/bulkdata/<path:where>", wado.bulk_data, name="dicomweb-bulk-data"),
]
