"""Where each page is: all addresses of pages stand here."""

from django.urls import path

from web.kernel import layout
from web.pages import joined_records, omnisearch, orders, patients, sign_in, studies, temporary_record, viewer
from web.pages.administration import audit_trail, queues, site, tabs, tokens, users
from web.pages.exceptions import decision_form, exception, exception_list, identity_list, identity_page
from web.pages.imports import import_list, import_page
from web.pages.messages import (
    bulk_replay,
    interface_list,
    message,
    message_export,
    message_list,
    message_repair,
    outbound_message,
    work_list,
    workbench,
)
from web.pages.quality import reject_rates
from web.pages.reading import (
    outside_reports,
    prior_report,
    reading_actions,
    reading_worklist,
    report_editor,
    report_versions,
)
from web.pages.stations import station, station_list
from web.pages.transcription import transcription_editor, transcription_queue
from web.pages.turnaround import turnaround_page, turnaround_studies, wall
from web.pages.worklist import order_entry, technologist_worklist

urlpatterns = [
    path("", layout.start, name="start"),
    path("status", layout.status, name="status"),
    path("theme", layout.theme, name="theme"),
    path("sign-in", sign_in.sign_in, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("worklist", technologist_worklist.worklist, name="worklist"),
    path("worklist/new-order", order_entry.new_order, name="order-new"),
    path("worklist/acts", technologist_worklist.act, name="worklist-act"),
    path("worklist/undo", technologist_worklist.undo, name="worklist-undo"),
    path("worklist/steps/<str:public_id>/label", technologist_worklist.label, name="worklist-label"),
    path("search", omnisearch.search, name="search"),
    path("patients/<str:public_id>", patients.patient, name="patient"),
    path("patients/<str:public_id>/link", temporary_record.link, name="patient-link"),
    path("patients/links/<str:public_id>/undo", joined_records.undo, name="patient-unlink"),
    path("patients/<str:public_id>/merge", joined_records.merge, name="patient-merge"),
    path("patients/<str:public_id>/unmerge", joined_records.unmerge, name="patient-unmerge"),
    path("orders/<str:public_id>", orders.order, name="order"),
    path("orders/<str:public_id>/cancel", orders.cancel, name="order-cancel"),
    path("studies/<str:uid>", studies.study, name="study"),
    path("studies/<str:uid>/decide", exception.of_study, name="study-decide"),
    path("exceptions", exception_list.exceptions, name="exceptions"),
    path("exceptions/identities", identity_list.identities, name="identities"),
    path("exceptions/identities/<str:public_id>", identity_page.identity, name="identity-exception"),
    path("exceptions/identities/<str:public_id>/resolve", identity_page.resolve, name="identity-resolve"),
    path("exceptions/identities/<str:public_id>/reopen", identity_page.reopen, name="identity-reopen"),
    path(
        "exceptions/identities/<str:public_id>/hand-over", identity_page.hand_over, name="identity-hand-over"
    ),
    path("exceptions/<str:public_id>", exception.exception, name="exception"),
    path("exceptions/<str:public_id>/preview", decision_form.preview, name="exception-preview"),
    path("exceptions/<str:public_id>/decide", decision_form.decide, name="exception-decide"),
    path("reading", reading_worklist.worklist, name="reading"),
    path("reading/next", reading_actions.next_item, name="reading-next"),
    path("reading/rechecks/<str:key>/still-valid", reading_actions.still_valid, name="recheck-still-valid"),
    path("reading/<str:key>", report_editor.editor, name="reading-item"),
    path("reading/<str:key>/versions", report_versions.versions_page, name="reading-versions"),
    path("reading/<str:key>/prior/<str:prior>", prior_report.prior_report, name="reading-prior"),
    path("reading/<str:key>/versions/<int:number>.pdf", report_versions.version_pdf, name="reading-pdf"),
    path("reading/<str:key>/<slug:act>", reading_actions.act, name="reading-act"),
    path("outside-documents/<str:key>", outside_reports.document, name="outside-document"),
    path("transcription", transcription_queue.queue, name="transcription"),
    path("transcription/next", transcription_queue.next_dictation, name="transcription-next"),
    path("transcription/<str:key>", transcription_editor.dictation, name="dictation"),
    path("imports", import_list.imports, name="imports"),
    path("imports/<str:public_id>", import_page.one_import, name="import"),
    path("turnaround", turnaround_page.turnaround, name="turnaround"),
    path("turnaround/wall", wall.wall, name="turnaround-wall"),
    path("turnaround/studies", turnaround_studies.studies, name="turnaround-studies"),
    path("turnaround/studies.csv", turnaround_studies.table, name="turnaround-studies-csv"),
    path("turnaround.csv", turnaround_page.table, name="turnaround-csv"),
    path("quality", reject_rates.rejects, name="quality"),
    path("quality.csv", reject_rates.table, name="quality-csv"),
    path("messages", message_list.messages, name="messages"),
    path("messages.csv", message_export.table, name="messages-csv"),
    path("messages.hl7", message_export.batch, name="messages-hl7"),
    path("messages/interfaces", interface_list.interfaces, name="interfaces"),
    path("messages/work", work_list.groups, name="message-work"),
    path("messages/work/acts", work_list.act, name="message-work-act"),
    path("messages/work/put-back", work_list.put_back, name="message-work-put-back"),
    path("messages/work/<str:key>", work_list.group, name="message-work-group"),
    path("messages/replays/<str:public_id>", bulk_replay.bulk_replay, name="bulk-replay"),
    path("messages/replays/<str:public_id>/<str:act>", bulk_replay.act, name="bulk-replay-act"),
    path("messages/destinations/<path:name>/pause", outbound_message.pause, name="destination-pause"),
    path("messages/destinations/<path:name>/resume", outbound_message.resume, name="destination-resume"),
    path("messages/destinations/<path:name>/try-now", outbound_message.try_now, name="destination-try-now"),
    path("messages/destinations/<path:name>", outbound_message.destination, name="destination"),
    path("messages/workbench", workbench.workbench, name="message-workbench"),
    path("messages/workbench/keep", workbench.keep, name="message-keep"),
    path("messages/workbench/cases", workbench.check_cases, name="message-cases"),
    path("messages/<str:public_id>", message.message, name="message"),
    path("messages/<str:public_id>/raw", message.raw, name="message-raw"),
    path("messages/<str:public_id>/segments/<int:number>", message.segment, name="message-segment"),
    path("messages/<str:public_id>/repair", message_repair.repair, name="message-repair"),
    path("messages/<str:public_id>/check", message_repair.check, name="message-check"),
    path("messages/<str:public_id>/replay", message_repair.replay, name="message-replay"),
    path("messages/<str:public_id>/<str:act>", outbound_message.act, name="message-act"),
    path("stations", station_list.stations, name="stations"),
    path("stations/<path:ae_title>", station.station, name="station"),
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
        "administration/quarantine/decide", queues.decide_quarantined, name="administration-quarantine-decide"
    ),
    path(
        "administration/quarantine/<str:public_id>/file",
        queues.quarantined_file,
        name="administration-quarantined-file",
    ),
    path("administration/audit", audit_trail.trail, name="administration-audit"),
    path("administration/audit.csv", audit_trail.table, name="administration-audit-csv"),
    path("viewer", viewer.viewer, name="viewer"),
    path("viewer/", viewer.with_slash),
    path("viewer/<slug:source>", viewer.viewer),
]
