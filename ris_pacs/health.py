"""Health: does the web process live, is everything ready, and the figures behind it."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse

from interfaces.hl7.monitoring import interface_metrics
from ledger import heartbeat, queues, readiness
from ledger.models import Job


def _open_on_loopback(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let anybody on this machine in, and from elsewhere those who are signed in."""

    def guarded(request: HttpRequest) -> HttpResponse:
        local = request.META.get("REMOTE_ADDR") in ("127.0.0.1", "::1", "")
        if local or request.user.is_authenticated:
            return view(request)
        return HttpResponse("Sign in to see this.\n", status=401, content_type="text/plain")

    return login_not_required(guarded)


@_open_on_loopback
def alive(request: HttpRequest) -> HttpResponse:
    """200 when the web process lives."""
    return HttpResponse("ok\n", content_type="text/plain")


@_open_on_loopback
def ready(request: HttpRequest) -> HttpResponse:
    """200 when every part is `ok`, 503 with the reasons otherwise."""
    parts = {"web": "ok"}
    database = readiness.database()
    for process in readiness.PROCESSES:
        parts[process] = heartbeat.state(process) if database == "ok" else "unknown"
    if database == "ok":
        database = readiness.writers()
    parts |= {"database": database, "storage": readiness.storage()}
    response = JsonResponse(parts, status=200 if set(parts.values()) == {"ok"} else 503)
    # Asked for twice a second while the system starts.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


@_open_on_loopback
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text."""
    lines = ["# TYPE ris_pacs_jobs gauge"]
    for state in ("new", "claimed", "retry", "held", "error"):
        lines.append(f'ris_pacs_jobs{{state="{state}"}} {Job.objects.filter(state=state).count()}')
    lines += _processes()
    lines.append("# TYPE ris_pacs_free_bytes gauge")
    lines.append(f"ris_pacs_free_bytes {readiness.free_bytes()}")
    lines += interface_metrics.lines()
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")


def _processes() -> list[str]:
    """How many of each kind live, and what each has counted since it began."""
    alive = [sign for sign in queues.signs_of_life() if not sign.is_stale]
    lines = ["# TYPE ris_pacs_processes gauge"]
    for process in readiness.PROCESSES:
        number = sum(sign.process == process for sign in alive)
        lines.append(f'ris_pacs_processes{{process="{process}"}} {number}')
    lines.append("# TYPE ris_pacs_counted_total counter")
    for sign in alive:
        labels = f'process="{sign.process}",instance="{sign.instance}"'
        for name, value in sign.details.items():
            lines.append(f'ris_pacs_counted_total{{{labels},what="{name}"}} {value}')
    return lines
