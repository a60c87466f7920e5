from django.db import migrations
from django.utils import timezone


def ask(apps, schema_editor):
    """Have the series built anew that show some of their objects, and have others rejected."""
    instances = apps.get_model("archive", "Instance").objects.exclude(series=None).order_by()
    rejected = set(instances.exclude(rejection=None).values_list("series", flat=True).distinct())
    shown = apps.get_model("archive", "Series").objects.filter(pk__in=rejected, instance_count__gt=0)
    now = timezone.now()
    Job = apps.get_model("ledger", "Job")
    Job.objects.bulk_create(
        [
            Job(kind="archive.headers", key=str(key), not_before=now)
            for key in sorted(shown.values_list("pk", flat=True))
        ],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):

    dependencies = [
        ('archive', '0014_held_for_measures'),
        ('ledger', '0003_audited_things'),
    ]

    operations = [
        migrations.RunPython(ask, migrations.RunPython.noop, elidable=True),
    ]
