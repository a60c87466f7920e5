"""The front: settings, URLs, Celery, the supervisor, the site file and health."""

__version__ = "0.1.0"
