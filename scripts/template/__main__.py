"""Checks template.yaml; see scripts/check-template."""

import argparse
import json
import pathlib
import sys
import tempfile

from template import checkers, planted
from template.rules import load
from template.there import SETS, There, many
from template.translate import TEMPLATE, Untranslatable, read, translate


def main():
    arguments = _arguments()
    try:
        source = read(arguments.template)
    except OSError as error:
        sys.exit(f"check-template: {arguments.template}: {error.strerror}")
    if arguments.actions:
        return _print_actions(source)
    if arguments.planted:
        return planted.prove(source)
    return _check(source, arguments.template)


def _arguments():
    parser = argparse.ArgumentParser(prog="scripts/check-template", description="Checks template.yaml without an account.")
    parser.add_argument("--template", type=pathlib.Path, default=TEMPLATE, help="another template")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--planted", action="store_true", help="plant faults in copies and prove that each is found")
    what.add_argument("--actions", action="store_true", help="print as JSON what each function's own code may call")
    return parser.parse_args()


def _check(source, path):
    try:
        translated = translate(source)
    except Untranslatable as error:
        print(f"the translator refuses the template: {error}")
        return 1
    problems = findings(translated)
    print(f"own rules: {len(load())} rules, {len(SETS)} sets of parameters, {len(problems)} findings")
    with tempfile.TemporaryDirectory() as folder:
        written = pathlib.Path(folder, "translated.json")
        written.write_text(json.dumps(translated, indent=1), encoding="utf-8")
        linted = checkers.cfn_lint([path, written])
    print(f"cfn-lint, as written and translated: {len(linted)} findings")
    # Once as it is, once with everything optional and without intrinsic functions, which hide policies from checkov.
    judged, passed = checkers.judged(translated, There(translated, SETS["everything"], "everything").plain())
    accepted, _ = checkers.skips()
    counts = " and ".join(str(count) for count in passed)
    print(f"checkov, translated and filled in: {counts} passed, {len(judged)} findings, {len(accepted)} excused by {checkers.SKIPS.name}")
    for problem in problems + linted + judged:
        print(f"  {problem}")
    return 1 if problems or linted or judged else 0


def findings(translated):
    """What our own rules find, as `rule [parameters]: what`."""
    found = []
    for title, parameters in SETS.items():
        there = There(translated, parameters, title)
        for name, check in load().items():
            found += [f"{name} [{title}]: {what}" for what in check(there)]
    return found


def _print_actions(source):
    there = There(translate(source), SETS["everything"], "everything")
    granted = {
        binary: sorted({action for statement in function.own for action in many(statement["Action"])})
        for binary, function in sorted(there.functions.items())
    }
    json.dump(granted, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
