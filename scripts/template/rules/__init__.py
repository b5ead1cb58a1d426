"""Our own rules: one function per rule, and its name is the rule. Each yields what is wrong.

A rule is given an installation (`template.resolve.Installation`) through `template.there.There`, once per set of
parameters in `template.there.SETS`.
"""

import importlib

RULES = {}

_MODULES = ["tables", "stream", "buckets", "functions", "roles", "invocations", "alarms", "archive", "places"]


def rule(check):
    """Registers a rule under its own name."""
    if check.__name__ in RULES:
        raise ValueError(f"two rules are called {check.__name__}")
    RULES[check.__name__] = check
    return check


def load():
    """All rules, by name."""
    for module in _MODULES:
        importlib.import_module(f"template.rules.{module}")
    return RULES
