"""The front: settings, URLs, Celery, the supervisor, the site file and health."""

import atexit
import gc

__version__ = "0.1.0"

# A process makes a hundred thousand objects when it starts and keeps them all. Looking through them again and
# again for garbage, and once more at the end, took half of the start and most of the end.
gc.set_threshold(20_000, 20, 20)
atexit.register(gc.freeze)
