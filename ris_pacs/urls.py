"""Where each door is."""

from django.urls import include, path

from ris_pacs import health
from web.rest.api import api

urlpatterns = [
    path("", include("web.pages.urls")),
    path("api/v1/", api.urls),
    path("dicom-web/", include("interfaces.dicomweb.urls")),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = "web.errors.bad_request"
handler403 = "web.errors.forbidden"
handler404 = "web.errors.not_found"
handler500 = "web.errors.server_error"
