"""`manage.py token USER` prints a bearer token for that user and nothing else."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from accounts import tokens
from accounts.actor import Actor
from accounts.models import User
from ledger.errors import Refused


class Command(BaseCommand):
    help = "Print a new bearer token for a user."
    requires_system_checks = ()  # they load every page, which takes longer than all the rest

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user")
        parser.add_argument("--name", default="command line", help="what the token is for")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["user"], is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {options['user']!r}.")
        try:
            with transaction.atomic():
                _, text = tokens.issue(by=Actor.at_command_line(), user=user, name=options["name"])
        except Refused as error:
            raise CommandError(error.text) from error
        self.stdout.write(text)
