"""Faults planted in copies of the template, one at a time: a rule that nothing can break is no rule."""

import json
import pathlib
import tempfile
import time

from template import checkers
from template.faults import FAULTS
from template.rules import load
from template.there import SETS, There
from template.translate import translate


def prove(source):
    """Plants every fault and prints what finds it; 1 when one is not found, or a rule has no fault."""
    started = time.process_time()
    rules = load()
    missed, proven = [], set()
    lints = [fault for fault in FAULTS if fault.found_by not in rules]
    for fault in FAULTS:
        if fault in lints:
            continue
        proven.add(fault.found_by)
        what = _first(rules[fault.found_by], translate(fault.planted_in(source)))
        _tell(fault, what, missed)
    for fault in lints:
        _tell(fault, _by_tool(fault, fault.planted_in(source)), missed)
    for rule in sorted(set(rules) - proven):
        missed.append(f"no fault breaks the rule {rule}")
    for miss in missed:
        print(f"  {miss}")
    found = len(FAULTS) - len([miss for miss in missed if miss.startswith("not found")])
    print(f"{found} of {len(FAULTS)} planted faults found, {len(proven)} of {len(rules)} rules proven,"
          f" {time.process_time() - started:.0f} s of CPU")
    return 1 if missed else 0


def _tell(fault, what, missed):
    if what is None:
        missed.append(f"not found: {fault.title} (by {fault.found_by})")
    else:
        print(f"found: {fault.title}\n       {fault.found_by}: {what if len(what) <= LINE_MAX else what[:LINE_MAX] + ' …'}")


def _first(rule, translated):
    """The first thing that a rule says about a template, or nothing."""
    for title, parameters in SETS.items():
        for what in rule(There(translated, parameters, title)):
            return what
    return None


def _by_tool(fault, planted):
    if fault.found_by.startswith("CKV"):
        found, _ = checkers.checkov(There(translate(planted), SETS["everything"], "everything").plain())
        accepted, _ = checkers.skips()
        return next(
            (f"{resource}: {name}" for check, resource, name in found
             if check == fault.found_by and (check, resource) not in accepted), None
        )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "translated.json")
        path.write_text(json.dumps(translate(planted), indent=1), encoding="utf-8")
        return next((told for told in checkers.cfn_lint([path]) if told.startswith(fault.found_by)), None)


LINE_MAX = 160
