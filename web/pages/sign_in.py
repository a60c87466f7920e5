"""Sign in and out."""

import math
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import sign_in_throttle
from accounts.actor import actor_of
from accounts.models import User
from ledger import audit
from web.kernel import actor_middleware
from web.kernel.access_middleware import SIGNED_IN_AT

_WRONG = "User name or password is wrong. Passwords are case-sensitive."


@login_not_required
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page."""
    if request.method != "POST":
        return HttpResponseRedirect(_next(request)) if request.user.is_authenticated else _page(request)
    username, password = request.POST.get("username", "")[:150], request.POST.get("password", "")[:4096]
    if not username or not password:
        return _page(request, "Type your user name and your password.", status=422)
    if "\0" in username + password:
        return _page(request, _WRONG, status=422)
    address = actor_of(request).address
    if until := sign_in_throttle.locked_until(username=username, address=address):
        return _wait(request, (until - timezone.now()).total_seconds())
    user = authenticate(request, username=username, password=password)
    _note(request, username, user)
    if user is None:
        return _page(request, _WRONG, status=422)
    login(request, user)
    request.session[SIGNED_IN_AT] = time.time()
    return HttpResponseRedirect(_next(request))


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    with transaction.atomic():
        audit.note(actor_of(request), audit.USER_AUTHENTICATION, audit.EXECUTE, act="Signed out")
    logout(request)
    return HttpResponseRedirect(resolve_url(settings.LOGOUT_REDIRECT_URL))


def _note(request: HttpRequest, username: str, user: Any) -> None:
    """Count and audit the attempt; a name that nobody has may be a password, so the audit leaves it out."""
    actor = actor_middleware.made(request, user or User.objects.filter(username=username).first())
    address = actor.address
    with transaction.atomic():
        if user:
            sign_in_throttle.forget(username=username, address=address)
        else:
            sign_in_throttle.note_failure(username=username, address=address)
        outcome = audit.SUCCESS if user else audit.MINOR_FAILURE
        audit.note(actor, audit.USER_AUTHENTICATION, audit.EXECUTE, outcome=outcome, act="Sign-in")


def _wait(request: HttpRequest, seconds: float) -> HttpResponse:
    minutes = max(1, math.ceil(seconds / 60))
    text = f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
    response = _page(request, text, status=429)
    response["Retry-After"] = str(max(1, math.ceil(seconds)))
    return response


def _page(request: HttpRequest, error: str = "", status: int = 200) -> HttpResponse:
    context = {
        "error": error,
        "username": request.POST.get("username", "")[:150].replace("\0", ""),
        "next": request.POST.get("next") or request.GET.get("next", ""),
    }
    return render(request, "web/sign_in.html", context, status=status)


def _next(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
