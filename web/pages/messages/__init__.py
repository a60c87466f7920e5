"""HL7 messages: what came and goes, what was answered, what it did; repair, replay, hold, resend."""

from web.pages.messages.urls import urlpatterns

__all__ = ["urlpatterns"]
