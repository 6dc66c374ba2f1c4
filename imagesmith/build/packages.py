"""Which packages an image holds, from dpkg's own record. Pure."""

from imagesmith.model.manifest import Package


def parse_dpkg_status(text: str) -> tuple[Package, ...]:
    """Return the installed packages of a `/var/lib/dpkg/status`, sorted by name."""
    found: list[Package] = []
    for paragraph in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
        )
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            found.append(Package(fields["Package"], fields["Version"], fields["Architecture"]))
    return tuple(sorted(found, key=lambda package: (package.name, package.architecture)))
