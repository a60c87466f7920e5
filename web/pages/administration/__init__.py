"""Administration: what the site file put in force, users, tokens, queues, quarantine, the audit trail."""

from web.pages.administration.urls import urlpatterns

__all__ = ["urlpatterns"]
