"""The one Celery task."""

from celery import shared_task

from ledger import jobs, recurring


@shared_task(name="ledger.run")
def run(work: int | str) -> None:
    """Do a job, named by its id, or a recurring work, named by its name."""
    if isinstance(work, int):
        jobs.run(work)
    else:
        recurring.run(work)
