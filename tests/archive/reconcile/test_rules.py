"""Whoever changes how studies are judged says so: a verdict names the rules that made it."""

import hashlib
import importlib
import inspect

from archive.reconcile import reconcile_policy

JUDGING = (
    "candidates",
    "claims",
    "evidence",
    "identity_evidence",
    "identity_match",
    "name_agreement",
    "order_evidence",
    "patient_number",
    "phantom_patterns",
    "registered_people",
    "scored_candidate",
    "step_comparison",
    "study_evidence",
    "typos",
    "verdict",
)
PINNED = {7: "75bf001b9dae7c5f"}
"""By the number of the rules, the digest of the modules that judge."""


def test_other_rules_have_another_number() -> None:
    """Raise `RULES` where a verdict may come out otherwise, and pin the new digest in either case."""
    modules = [importlib.import_module(f"archive.reconcile.{name}") for name in JUDGING]
    text = "".join(inspect.getsource(module) for module in modules)
    assert PINNED[reconcile_policy.RULES] == hashlib.sha256(text.encode()).hexdigest()[:16]
