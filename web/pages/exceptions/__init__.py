"""Exceptions: whose images these are, decided once, reversibly."""

from django.urls import path

from web.pages.exceptions import deciding, detail, overview

urlpatterns = [
    path("exceptions", overview.exceptions, name="exceptions"),
    path("exceptions/<str:public_id>", detail.exception, name="exception"),
    path("exceptions/<str:public_id>/preview", deciding.preview, name="exception-preview"),
    path("exceptions/<str:public_id>/decide", deciding.decide, name="exception-decide"),
]
