"""Where each interface is."""

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

handler400 = "web.kernel.error_pages.bad_request"
handler403 = "web.kernel.error_pages.forbidden"
handler404 = "web.kernel.error_pages.not_found"
handler500 = "web.kernel.error_pages.server_error"
