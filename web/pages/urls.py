"""Where each page is: every module here that exists brings its own `urlpatterns`."""

from importlib import import_module
from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, path

from web.pages import shell, signing

MODULES = (
    "worklist",
    "search",
    "patients",
    "orders",
    "studies",
    "exceptions",
    "reading",
    "transcription",
    "turnaround",
    "messages",
    "stations",
    "administration",
    "viewer",
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", shell.start, name="start"),
    path("status", shell.status, name="status"),
    path("theme", shell.theme, name="theme"),
    path("sign-in", signing.sign_in, name="sign-in"),
    path("sign-out", signing.sign_out, name="sign-out"),
]
for module in MODULES:
    if find_spec(f"web.pages.{module}"):
        urlpatterns += getattr(import_module(f"web.pages.{module}"), "urlpatterns", [])
