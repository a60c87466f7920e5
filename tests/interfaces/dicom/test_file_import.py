"""`manage.py dicom import` and `dicom scan`: discs, and scans, up to the verdict."""

import zipfile
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from PIL import Image

from archive.index import indexer
from archive.models import Import, Instance, Study, Verdict
from ledger.models import AuditEvent
from tests.archive.conftest import home, hospital  # noqa: F401
from tests.archive.dataset.builders import encoded, image
from tests.archive.hospital import NOW, Hospital
from tests.archive.imports.test_disc import burned, needs_dcmmkdir

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("dicom", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


@needs_dcmmkdir
@pytest.mark.usefixtures("home", "facility")
def test_a_zipped_disc_is_imported_once(tmp_path: Path) -> None:
    folder = burned(tmp_path / "cd")
    (folder / "README.TXT").write_text("run the viewer")
    with zipfile.ZipFile(tmp_path / "cd.zip", "w") as zipped:
        for path in folder.iterdir():
            zipped.write(path, f"CD/{path.name}")
    assert run("import", str(tmp_path / "cd.zip")) == ("1 no image, 2 stored", "")
    assert run("import", str(tmp_path / "cd.zip")) == ("2 here already, 1 no image", "")
    assert not list((tmp_path / "spool").glob("import.*"))
    assert Instance.objects.count() == 2
    again, first = Import.objects.order_by("-pk")
    assert (first.state, first.taken, first.files, first.passed_over) == ("done", 2, 3, 1)
    assert (again.repeated, again.interface, again.studies.count()) == (2, "command line", 1)
    named = [row.objects_named[-1]["type"] for row in AuditEvent.objects.order_by("pk")]
    assert named == ["import", "study"] * 2


@pytest.mark.usefixtures("home", "facility")
def test_priors_are_imported_for_comparison_only(tmp_path: Path) -> None:
    (tmp_path / "IM1").write_bytes(encoded(image()))
    assert run("import", "--comparison-only", str(tmp_path / "IM1")) == ("1 stored", "")
    assert Import.objects.get().comparison_only
    assert run("import", str(tmp_path / "IM1")) == ("1 here already", "")
    assert not Import.objects.latest("pk").comparison_only


@needs_dcmmkdir
@pytest.mark.usefixtures("home", "facility")
def test_what_a_disc_lacks_is_named(tmp_path: Path) -> None:
    folder = burned(tmp_path / "cd")
    (folder / "IM2").unlink()
    err = StringIO()
    with pytest.raises(SystemExit):
        call_command("dicom", "import", str(folder), stdout=StringIO(), stderr=err)
    assert "IM2: listed in DICOMDIR" in err.getvalue()
    assert Instance.objects.count() == 1


@pytest.mark.usefixtures("home", "facility")
def test_scans_are_judged_as_a_study_without_an_order(
    tmp_path: Path,
    hospital: Hospital,  # noqa: F811
) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "film.tif")
    (tmp_path / "letter.pdf").write_bytes(b"%PDF-1.4\n%%EOF")
    said = [
        "--patient-id",
        "P1",
        "--name",
        "Bars^Anna",
        "--study-date",
        "2019-05-06",
        "--description",
        "Chest",
    ]
    files = [str(tmp_path / "film.tif"), str(tmp_path / "letter.pdf")]
    assert run("scan", *files, *said)[0] == "2 stored"
    assert run("scan", *reversed(files), *said)[0] == "2 here already"
    while indexer.batch():
        pass
    study = Study.objects.get()
    assert (study.header_patient_id, study.instance_count) == ("P1", 2)
    Study.objects.update(last_received_at=NOW - timedelta(hours=1))
    hospital.judged(study)
    assert Verdict.objects.get().outcome == "unscheduled"
    assert not Instance.objects.exclude(index_error="").exists()
    assert {row.code for row in AuditEvent.objects.all()} == {"110107"}
