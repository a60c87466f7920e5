"""Bearer tokens: issued, shown once, revoked."""

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import tokens
from accounts.actor import actor_of
from accounts.models import Token, User
from ledger.errors import Refused, Unknown
from web.kernel import layout, paging
from web.pages.administration import tabs


@require_safe
@layout.may("user.manage")
def listed(request: HttpRequest) -> HttpResponse:
    """Valid tokens, or those that were revoked."""
    return _page(request)


@require_POST
@layout.may("user.manage")
def issue(request: HttpRequest) -> HttpResponse:
    """Make a token. Its text is in this answer and nowhere else: not in the database, not in the session."""
    user = User.objects.filter(username=request.POST.get("user", "")[:150]).first()
    try:
        if user is None:
            raise Unknown("There is no user of this name.", "user")
        with transaction.atomic():
            token, text = tokens.issue(by=actor_of(request), user=user, name=request.POST.get("name", ""))
    except Refused as error:
        return _page(request, error=error, status=422)
    return _page(request, token=token, text=text)


@require_POST
@layout.may("user.manage")
def revoke(request: HttpRequest, public_id: str) -> HttpResponse:
    """End a token."""
    token = Token.objects.select_related("user").filter(public_id=public_id).first()
    if token is None:
        raise Http404
    here = layout.back_to(request, reverse("administration-tokens"))
    try:
        with transaction.atomic():
            tokens.revoke(token, by=actor_of(request))
    except Refused as error:
        return layout.refuse(request, 409, "Nothing to revoke", str(error), here)
    layout.flash(request, f"The token {token.name} of {token.user.username} lets nobody in any more.")
    return HttpResponseRedirect(here)


def _page(
    request: HttpRequest,
    *,
    token: Token | None = None,
    text: str = "",
    error: Refused | None = None,
    status: int = 200,
) -> HttpResponse:
    revoked = request.GET.get("state") == "revoked"
    context = {
        "paging": paging.cut(
            request, tokens.listed(revoked=revoked), lambda rows: rows.select_related("user")
        ),
        "is_revoked": revoked,
        "token": token,
        "token_text": text,
        "error": error,
        "wanted_user": request.POST.get("user", request.GET.get("user", ""))[:150],
        "wanted_name": request.POST.get("name", "")[:100] if error else "",
        "usernames": list(
            User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)[:500]
        ),
    }
    return tabs.page(request, "tokens", "web/administration/tokens.html", context, status)
