"""Where each page is."""

from django.urls import path

from web.pages import overview, signing

urlpatterns = [
    path("", overview.overview, name="overview"),
    path("sign-in", signing.sign_in, name="sign-in"),
    path("sign-out", signing.sign_out, name="sign-out"),
]
