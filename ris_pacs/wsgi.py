"""The web process's entry point."""

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ris_pacs.settings")
application = get_wsgi_application()
# All pages, now and not with the first request: what is loaded before the workers are forked is loaded once.
import_module(settings.ROOT_URLCONF)
