"""Where the pages of messages are."""

from django.urls import path

from web.pages.messages import detail, listing, outgoing, repairing

urlpatterns = [
    path("messages", listing.messages, name="messages"),
    path("messages/destinations/<path:name>", outgoing.destination, name="destination"),
    path("messages/<str:public_id>", detail.message, name="message"),
    path("messages/<str:public_id>/raw", detail.raw, name="message-raw"),
    path("messages/<str:public_id>/segments/<int:number>", detail.segment, name="message-segment"),
    path("messages/<str:public_id>/repair", repairing.repair, name="message-repair"),
    path("messages/<str:public_id>/check", repairing.check, name="message-check"),
    path("messages/<str:public_id>/replay", repairing.replay, name="message-replay"),
    path("messages/<str:public_id>/<str:act>", outgoing.act, name="message-act"),
]
