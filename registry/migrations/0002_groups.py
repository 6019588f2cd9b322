"""The five groups that hold a role on everything, so that nobody has to make them by hand."""

from django.db import migrations

GROUPS = {
    "Viewers": "viewer",
    "Scorers": "scorer",
    "Publishers": "publisher",
    "Approvers": "approver",
    "Managers": "manager",
}


def make_groups(apps, schema_editor):
    """Make the groups that are missing; a group of that name keeps the members it has."""
    group_model = apps.get_model("auth", "Group")
    role_model = apps.get_model("registry", "GroupRole")
    for name, role in GROUPS.items():
        group, _ = group_model.objects.get_or_create(name=name)
        role_model.objects.get_or_create(group=group, defaults={"role": role})


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
