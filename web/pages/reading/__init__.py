"""Reading: the worklist, the report editor, what people do with items, and signed versions side by side."""

from django.urls import path

from web.pages.reading import acts, item, versions, worklist

urlpatterns = [
    path("reading", worklist.worklist, name="reading"),
    path("reading/next", acts.next_item, name="reading-next"),
    path("reading/rechecks/<str:key>/still-valid", acts.still_valid, name="recheck-still-valid"),
    path("reading/<str:key>", item.editor, name="reading-item"),
    path("reading/<str:key>/versions", versions.versions_page, name="reading-versions"),
    path("reading/<str:key>/<slug:act>", acts.act, name="reading-act"),
]
