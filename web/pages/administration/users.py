"""Users: who may sign in, with which roles, for which facilities."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, tokens, users
from accounts.actor import actor_of
from accounts.models import Facility, Role, User
from ledger.errors import Refused
from web.kernel import layout, paging
from web.kernel.list_filters import text_of
from web.pages import timelines
from web.pages.administration import tabs
from web.pages.administration.administration_columns import USERS


@require_safe
@layout.may("user.manage")
def listed(request: HttpRequest) -> HttpResponse:
    """All users by name."""
    text, role = text_of(request.GET, "q", 100), text_of(request.GET, "role", 20)
    state = text_of(request.GET, "state", 10)
    active = {"active": True, "inactive": False}.get(state)
    rows = users.listed(text=text, role=role, active=active)
    context = {
        "table": USERS,
        "paging": paging.cut_list(request, rows),
        "text": text,
        "role": role,
        "state": state,
        "roles": Role.choices,
        "is_narrowed": bool(text or role or state),
    }
    return tabs.page(request, "users", "web/administration/users.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@layout.may("user.manage")
def make(request: HttpRequest) -> HttpResponse:
    """The form for a new user."""
    if request.method != "POST":
        return _form(request, None, {"roles": [], "facilities": _own(request), "is_active": True})
    said = _said(request)
    try:
        with transaction.atomic():
            user = users.make(
                by=actor_of(request),
                username=said["username"],
                full_name=said["full_name"],
                roles=said["roles"],
                facilities=_facilities(said),
                password=request.POST.get("password", ""),
            )
    except Refused as error:
        return _form(request, None, said, error)
    layout.flash(request, f"{user.username} can sign in now.")
    return HttpResponseRedirect(reverse("administration-users"))


@require_http_methods(["GET", "HEAD", "POST"])
@layout.may("user.manage")
def change(request: HttpRequest, public_id: str) -> HttpResponse:
    """One user: what may be changed, tokens, timeline."""
    user = _find(public_id)
    if request.method != "POST":
        facilities = [facility.public_id for facility in user.facilities.all()]
        said = {"full_name": user.full_name, "roles": user.roles, "facilities": facilities}
        return _form(request, user, {**said, "is_active": user.is_active})
    said = _said(request)
    try:
        with transaction.atomic():
            changes = users.change(
                user,
                by=actor_of(request),
                full_name=said["full_name"],
                roles=said["roles"],
                facilities=_facilities(said),
                is_active=said["is_active"],
            )
    except Refused as error:
        return _form(request, user, said, error)
    layout.flash(
        request, f"{user.username} is changed." if changes else "Nothing differed; nothing was changed."
    )
    return HttpResponseRedirect(reverse("administration-user", args=[public_id]))


@require_POST
@sensitive_post_parameters("password")
@layout.may("user.manage")
def set_password(request: HttpRequest, public_id: str) -> HttpResponse:
    """Give a user another password."""
    user = _find(public_id)
    try:
        with transaction.atomic():
            users.set_password(user, by=actor_of(request), password=request.POST.get("password", ""))
    except Refused as error:
        facilities = [facility.public_id for facility in user.facilities.all()]
        said = {"full_name": user.full_name, "roles": user.roles, "facilities": facilities}
        return _form(request, user, {**said, "is_active": user.is_active}, error)
    layout.flash(request, f"{user.username} has another password. Its other sessions have ended.")
    if user == request.user:
        update_session_auth_hash(request, user)
    return HttpResponseRedirect(reverse("administration-user", args=[public_id]))


def _form(
    request: HttpRequest, user: User | None, said: Mapping[str, Any], error: Refused | None = None
) -> HttpResponse:
    context = {
        "person": user,
        "said": said,
        "error": error,
        "roles": [(one.value, one.label, access.DUTIES[one], one.value in said["roles"]) for one in Role],
        "facilities": [
            (facility, facility.public_id in said["facilities"])
            for facility in Facility.objects.order_by("name")
        ],
        "tokens": list(tokens.listed(user=user)[:50]) if user else [],
        "timeline": timelines.of("user", user.public_id, layout.user_of(request)) if user else [],
    }
    return tabs.page(request, "users", "web/administration/user.html", context, 422 if error else 200)


def _said(request: HttpRequest) -> dict[str, Any]:
    return {
        "username": request.POST.get("username", "")[:200],
        "full_name": request.POST.get("full_name", "")[:300],
        "roles": [role for role in request.POST.getlist("roles") if role in Role.values],
        "facilities": request.POST.getlist("facilities")[:1000],
        "is_active": request.POST.get("is_active") == "yes",
    }


def _facilities(said: Mapping[str, Any]) -> list[Facility]:
    return list(Facility.objects.filter(public_id__in=said["facilities"]))


def _own(request: HttpRequest) -> list[str]:
    return [facility.public_id for facility in layout.facilities_of(request)]


def _find(public_id: str) -> User:
    user = User.objects.filter(public_id=public_id).first() if public_id.isalnum() else None
    if user is None:
        raise Http404
    return user
