import unicodedata

from django.db import migrations, models

LETTERS = str.maketrans(
    {"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
    | {"ħ": "h", "ŧ": "t", "ŋ": "n", "ĸ": "k", "ŀ": "l", "’": "'", "ʼ": "'"}
)


def bare(text):
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return unicodedata.normalize("NFC", plain.translate(LETTERS))[:320]


def fill(apps, schema_editor):
    """Write the key of the records that there are, in parts."""
    patients, last = apps.get_model("worklist", "Patient").objects, 0
    while batch := list(patients.filter(pk__gt=last).order_by("pk").only("name_key")[:2000]):
        for row in batch:
            row.bare_key = bare(row.name_key)
        patients.bulk_update(batch, ["bare_key"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("worklist", "0005_technologist_acts"),
    ]

    operations = [
        migrations.AddField(
            model_name="patient",
            name="bare_key",
            field=models.CharField(
                blank=True,
                db_index=True,
                default="",
                help_text="alphabetic, folded, without accents",
                max_length=320,
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
