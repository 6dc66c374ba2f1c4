"""`imagesmith doctor`: what this machine has, what it lacks, and the commands that bring it."""

import json
from dataclasses import asdict

import click

from imagesmith.errors import HostNotReadyError
from imagesmith.host.doctor import Finding, examine, install_command, is_ready


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of lines.")
def doctor(*, as_json: bool) -> int:
    """List every prerequisite, what is missing, and the exact command that brings it.

    Changes nothing. Ends with 0 when everything that imagesmith itself needs is there, else with 4.
    """
    findings, install = examine(), install_command()
    ready = is_ready(findings)
    if as_json:
        rows = [{**asdict(finding), "status": finding.status.value} for finding in findings]
        click.echo(json.dumps({"ready": ready, "install": install, "findings": rows}, indent=2))
    else:
        click.echo("\n".join(render(findings, install)))
    return 0 if ready else HostNotReadyError.exit_code


def render(findings: tuple[Finding, ...], install: str) -> list[str]:
    """Return the report as lines: one a finding, its remedy below, and the one apt command at the end."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status.value:8}{finding.name:{width}}  {finding.detail}")
        if finding.remedy and not finding.remedy.startswith("sudo apt-get install --no-install-recommends"):
            lines.append(f"{'':8}{'':{width}}  do: {finding.remedy}")
    if install:
        lines += ["", "To install what is missing:", f"  {install}"]
    verdict = "this machine is ready" if is_ready(findings) else "this machine is not ready"
    return [*lines, "", verdict]
