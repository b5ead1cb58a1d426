"""cfn-lint and checkov, in this process and offline."""

import datetime
import json
import logging
import os
import pathlib
import tempfile

from template.translate import ROOT

SKIPS = pathlib.Path(__file__).with_name("skips.json")
SKIPS_MAX = 6


def cfn_lint(paths):
    """What cfn-lint says about files, as sentences."""
    from cfnlint.api import lint_file
    from cfnlint.config import ManualArgs

    found = []
    for path in paths:
        config = ManualArgs(regions=["eu-central-1"])
        for match in lint_file(pathlib.Path(path), config=config):
            where = "/".join(str(part) for part in getattr(match, "path", None) or [])
            found.append(f"{match.rule.id} {match.message} ({pathlib.Path(path).name}:{match.linenumber} {where})")
    return found


def checkov(template):
    """(failed, passed): checkov's findings about a translated template as (id, logical id, name), and how many passed."""
    os.environ.setdefault("CHECKOV_RUN_SCA_PACKAGE_SCAN", "false")
    logging.disable(logging.CRITICAL)
    from checkov.cloudformation.runner import Runner
    from checkov.runner_filter import RunnerFilter

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "template.json")
        path.write_text(json.dumps(template, indent=1), encoding="utf-8")
        report = Runner().run(
            root_folder=None, files=[str(path)], runner_filter=RunnerFilter(framework=["cloudformation"], download_external_modules=False)
        )
    if report.parsing_errors or not report.passed_checks:
        raise RuntimeError("checkov could not read the translated template")
    failed = {(one.check_id, one.resource.rsplit(".", 1)[-1], one.check_name) for one in report.failed_checks}
    return sorted(failed), len(report.passed_checks)


def skips():
    """The findings that we live with: {(id, logical id)}; and what is wrong with the list itself."""
    entries = json.loads(SKIPS.read_text(encoding="utf-8"))
    wrong = []
    if len(entries) > SKIPS_MAX:
        wrong.append(f"{SKIPS.relative_to(ROOT)}: {len(entries)} entries, at most {SKIPS_MAX}")
    accepted = set()
    for entry in entries:
        if not all(entry.get(field) for field in ("id", "resources", "reason", "owner", "until")) or len(entry["reason"]) < 40:
            wrong.append(f"{entry.get('id')}: a skip needs resources, a reason, an owner and an end")
        elif datetime.date.fromisoformat(entry["until"]) < datetime.date.today():
            wrong.append(f"{entry['id']}: the skip ended on {entry['until']}; look at its reason again")
        accepted |= {(entry["id"], resource) for resource in entry["resources"]}
    return accepted, wrong


def judged(*templates):
    """Findings of checkov that nothing excuses, excuses without a finding, and how many checks passed in each."""
    accepted, problems = skips()
    failed, passed = set(), []
    for template in templates:
        found, count = checkov(template)
        failed |= set(found)
        passed.append(count)
    for check, resource, name in sorted(failed):
        if (check, resource) not in accepted:
            problems.append(f"{check} {resource}: {name}")
    for check, resource in sorted(accepted - {(check, resource) for check, resource, _ in failed}):
        problems.append(f"{check} {resource}: skipped, but nothing fails")
    return problems, passed
