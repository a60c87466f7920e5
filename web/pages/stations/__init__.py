"""Stations: who they are here, what they asked and got lately, and why they don't see a step."""

from django.urls import path

from web.pages.stations import detail, listing

urlpatterns = [
    path("stations", listing.stations, name="stations"),
    path("stations/<path:ae_title>", detail.station, name="station"),
]
