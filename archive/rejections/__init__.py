"""Imaging Object Change Management (IHE RAD TF-1 29): what rejection notes hide, and the notes of ours."""


def jobs_register() -> None:
    """Register the jobs; called from `AppConfig.ready()`."""
    from archive.rejections import rejected_objects, written_notes
    from ledger import jobs

    apply = jobs.Handler(apply=rejected_objects.apply, words="Apply rejection notes to a study")
    jobs.register(rejected_objects.KIND, apply)
    write = jobs.Handler(
        prepare=written_notes.prepare, apply=written_notes.apply, words="Write a rejection note"
    )
    jobs.register(written_notes.KIND, write)
