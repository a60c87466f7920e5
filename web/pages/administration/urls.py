"""Where the pages of administration are."""

from django.urls import path

from web.pages.administration import queues, site, tabs, tokens, trail, users

urlpatterns = [
    path("administration", tabs.administration, name="administration"),
    path("administration/site", site.site, name="administration-site"),
    path("administration/users", users.listed, name="administration-users"),
    path("administration/users/new", users.make, name="administration-user-new"),
    path("administration/users/<str:public_id>", users.change, name="administration-user"),
    path(
        "administration/users/<str:public_id>/password",
        users.set_password,
        name="administration-user-password",
    ),
    path("administration/tokens", tokens.listed, name="administration-tokens"),
    path("administration/tokens/new", tokens.issue, name="administration-token-new"),
    path("administration/tokens/<str:public_id>/revoke", tokens.revoke, name="administration-token-revoke"),
    path("administration/queues", queues.queues, name="administration-queues"),
    path(
        "administration/queues/jobs/<str:public_id>/again", queues.try_again, name="administration-job-again"
    ),
    path("administration/quarantine", queues.quarantine, name="administration-quarantine"),
    path(
        "administration/quarantine/<str:public_id>/file",
        queues.quarantined_file,
        name="administration-quarantined-file",
    ),
    path("administration/audit", trail.trail, name="administration-audit"),
]
