"""The Celery application: it tells the workers that there is work.

Nothing is lost when the broker is: every piece of work is a row in the database, and the sweeper runs
what nobody took.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutdown

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris_pacs.settings")

from django.conf import settings

from ris_pacs import file_broker

IN_FILES = settings.CELERY_BROKER_URL == "filesystem://"


def _transport_options() -> dict[str, Any]:
    if IN_FILES:
        return {"folder": str(settings.HOME / "broker" / "queue"), "polling_interval": 0.05}
    # The time-out of a lost claim exceeds the task time limit. Sockets never block a publisher for long.
    return {"visibility_timeout": 120, "socket_connect_timeout": 1}


app = Celery("ris_pacs")
app.conf.update(
    broker_url="filesystem://localhost/" if IN_FILES else settings.CELERY_BROKER_URL,
    broker_transport="ris_pacs.file_broker:Transport" if IN_FILES else None,
    broker_transport_options=_transport_options(),
    broker_connection_retry_on_startup=True,
    task_acks_late=True,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    task_time_limit=60,
    task_soft_time_limit=50,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    task_publish_retry=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    worker_max_tasks_per_child=2000,
    worker_hijack_root_logger=False,
)
app.autodiscover_tasks(["ledger"])


@worker_ready.connect
def _show_life(**_: Any) -> None:
    from ledger import heartbeat

    beats = heartbeat.start("worker", file_broker.counters.snapshot)
    worker_shutdown.connect(lambda **_: beats.end(), weak=False)
