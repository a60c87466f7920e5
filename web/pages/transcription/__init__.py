"""Transcription: what waits to be typed, and the page to type it on."""

from django.urls import path

from web.pages.transcription import queue, typing

urlpatterns = [
    path("transcription", queue.queue, name="transcription"),
    path("transcription/next", queue.next_dictation, name="transcription-next"),
    path("transcription/<str:key>", typing.dictation, name="dictation"),
]
