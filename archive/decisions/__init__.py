"""What people decide on the exceptions list, with a reason, and the undo of it.

Each decision is a module here: a `DecisionType` says what it needs, links and pins, how it is done and
undone, and what its effects are in words. REST, pages, preview, undo and keyboard read all of that there.

A decision leaves the study's verdict alone. Nothing on disk is rewritten. Of two people who decide at once,
the second gets a `Conflict`: an exception that is resolved takes a further decision only from someone
who names its `revision`, and so has seen the first.
"""

import pkgutil
from importlib import import_module


def load() -> None:
    """Import all decisions, which register themselves; called from `AppConfig.ready()`."""
    for module in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
