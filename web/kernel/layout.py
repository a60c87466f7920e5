"""What every page stands in: rail by role, health of the system, who one is, theme; who may see a page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import access
from accounts.models import Facility, Role, User
from interfaces.hl7.outbound import delivery_queues
from ledger.errors import Forbidden
from web.kernel import authorization, health

View = TypeVar("View", bound=Callable[..., HttpResponse])

THEMES: Final = {"dark": "Reading room", "light": "Daylight", "system": "System"}
THEME_COOKIE: Final = "theme"
LONGEST_PATH: Final = 2000
_YEAR: Final = 365 * 24 * 60 * 60


@dataclass(frozen=True)
class Entry:
    """An entry of the rail."""

    name: str
    title: str
    action: str


ENTRIES: Final = (
    Entry("worklist", "Worklist", "order.view"),
    Entry("exceptions", "Exceptions", "exception.view"),
    Entry("reading", "Reading", "report.view"),
    Entry("imports", "Imports", "study.store"),
    Entry("transcription", "Transcription", "transcription.type"),
    Entry("turnaround", "Turnaround", "turnaround.view"),
    Entry("quality", "Quality", "quality.view"),
    Entry("messages", "Messages", "message.view"),
    Entry("administration", "Administration", "queue.view"),
)

_RAILS: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.TECHNOLOGIST: ("worklist", "exceptions", "imports", "reading", "quality"),
    Role.RADIOLOGIST: ("reading", "exceptions", "worklist", "imports", "turnaround", "quality"),
    Role.RESIDENT: ("reading", "exceptions", "worklist"),
    Role.TRANSCRIPTIONIST: ("transcription", "reading"),
    Role.MANAGER: ("turnaround", "quality", "exceptions", "worklist", "reading"),
    Role.INTEGRATOR: ("messages", "exceptions", "worklist", "administration"),
    Role.ADMINISTRATOR: (
        "worklist",
        "exceptions",
        "reading",
        "turnaround",
        "quality",
        "messages",
        "administration",
    ),
    Role.REFERRER: (),
}
"""What each role works with, what it begins its day with first."""


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """Render a page in the layout, in the facility's time zone."""
    user = request.user
    zone = zone_of(request)
    around = {
        "rail": rail(user),
        "here": f"/{request.path.split('/')[1]}",
        "health": health.shown_to(user),
        "zone": zone.key,
        "facilities": facilities_of(request),
        "themes": [(key, title, key == theme_of(request)) for key, title in THEMES.items()],
        "full_path": _short_path(request),
    }
    with timezone.override(zone):
        return render(
            request, template, {"layout": around, "flash": flashes(request), **(context or {})}, status=status
        )


def may(action: str) -> Callable[[View], View]:
    """Let only those in whose roles allow `action`; others get a page that says so, and it is audited."""

    def decorate(view: View) -> View:
        @never_cache
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                authorization.allow(request, action)
            except Forbidden:
                text = "Your roles don't allow it; an administrator can change them. Nothing was changed."
                return refuse(request, 403, "You may not do this", text)
            return view(request, *args, **kwargs)

        return cast(View, guarded)

    return decorate


def refuse(request: HttpRequest, status: int, title: str, text: str, back: str = "") -> HttpResponse:
    """Say why something was not done, what was kept and what to do; `back` is a path of ours."""
    context = {"title": title, "text": text, "status": status, "back": back}
    return page(request, "web/refused.html", context, status)


# Who, where and when


def user_of(request: HttpRequest) -> User:
    """The person who is signed in; every page but the sign-in page has one."""
    assert isinstance(request.user, User)
    return request.user


def facilities_of(request: HttpRequest) -> list[Facility]:
    """The facilities of the person, read once for each request."""
    known: list[Facility] | None = getattr(request, "_facilities", None)
    if known is None:
        known = list(user_of(request).facilities.order_by("pk"))
        request._facilities = known  # type: ignore[attr-defined]
    return known


def zone_of(request: HttpRequest) -> ZoneInfo:
    """The time zone of the person's first facility."""
    facilities = facilities_of(request)
    return ZoneInfo(facilities[0].time_zone if facilities else "UTC")


def rail(user: Any) -> list[tuple[Entry, str]]:
    """The entries that the person's roles work with, each with its path; those of pages that exist."""
    wanted = {name for role in _roles(user) for name in _RAILS[role]}
    found = [(entry, _path(entry.name)) for entry in ENTRIES if entry.name in wanted]
    return [(entry, path) for entry, path in found if path and access.can(user, entry.action)]


def home(user: Any) -> str:
    """The path of what the person's first role begins with; empty where no role shows anything."""
    paths = {entry.name: path for entry, path in rail(user)}
    names = [name for role in _roles(user) for name in _RAILS[role]]
    return next((paths[name] for name in names if name in paths), "")


def _roles(user: Any) -> list[Role]:
    return [role for role in Role if role in getattr(user, "roles", [])]


def _path(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _short_path(request: HttpRequest) -> str:
    """Where a form comes back to; without a query that is too long to be one of ours."""
    full = request.get_full_path()
    return full if len(full) < LONGEST_PATH else request.path[:LONGEST_PATH]


def back_to(request: HttpRequest, fallback: str) -> str:
    """The path of ours that a form says to go back to."""
    wanted = request.POST.get("next", "") or request.GET.get("next", "")
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours and len(wanted) < LONGEST_PATH else fallback


# Messages that show once


def flash(request: HttpRequest, text: str, *, undo: str = "", level: int = messages.SUCCESS) -> None:
    """Say something on the next page; `undo` is the path that a POST undoes it at."""
    messages.add_message(request, level, text, extra_tags=f"undo:{undo}" if undo else "")


def flashes(request: HttpRequest) -> list[dict[str, str]]:
    """What is to be said: the text, its level and where it can be undone."""
    return [
        {
            "text": str(message.message),
            "level": message.level_tag,
            "undo": message.extra_tags.removeprefix("undo:")
            if (message.extra_tags or "").startswith("undo:")
            else "",
        }
        for message in messages.get_messages(request)
    ]


# The layout's own pages


@never_cache
@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """To what the person's role begins with."""
    path = home(request.user)
    return HttpResponseRedirect(path) if path else page(request, "web/nothing.html")


@never_cache
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """What each light means, and what to do about those that are not green."""
    found, may_try = health.lights(), access.can(request.user, "message.replay")
    standing = [queue for queue in delivery_queues.queues() if queue.destination.stalled_since]
    return page(request, "web/status.html", {"lights": found, "standing": standing, "may_try": may_try})


def theme_of(request: HttpRequest) -> str:
    """The theme that the person chose in this browser."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else "system"


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in this browser."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(back_to(request, "/"))
    if chosen in THEMES:
        secure = request.is_secure()
        response.set_cookie(THEME_COOKIE, chosen, _YEAR, secure=secure, httponly=True, samesite="Lax")
    return response
