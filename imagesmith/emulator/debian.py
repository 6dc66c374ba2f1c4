"""Debian packages of another architecture, unpacked and never installed: no root, no foreign code is run."""

from collections.abc import Sequence
from pathlib import Path

from imagesmith.errors import HostNotReadyError
from imagesmith.host import apt_mirror, programs

_FETCH_TIMEOUT_S = 1800.0


def unpack_packages(
    names: Sequence[str], *, suite: str, architecture: str, scratch: Path, into: Path
) -> tuple[str, ...]:
    """Fetch packages from this machine's Debian mirror and unpack them into a folder.

    A name may be a metapackage: what it depends on under the same name and a version is fetched too
    (`linux-image-arm64` brings `linux-image-6.1.0-50-arm64`). Nothing else is followed.

    Returns:
        The packages' file names, which carry their versions.

    Raises:
        HostNotReadyError: no mirror answers, or it has no such package.
    """
    apt = _private_apt(suite=suite, architecture=architecture, folder=scratch / "apt")
    archives = scratch / "archives"
    archives.mkdir()
    try:
        programs.run(["apt-get", *apt, "update"], timeout_s=_FETCH_TIMEOUT_S)
        wanted = [real for name in names for real in _real_packages(name, apt)]
        programs.run(["apt-get", *apt, "download", *wanted], cwd=archives, timeout_s=_FETCH_TIMEOUT_S)
    except (programs.ProgramError, programs.ProgramTimeoutError) as exc:
        raise HostNotReadyError(
            f"packages for the emulator could not be fetched: {', '.join(names)}",
            why=exc.why or exc.what,
            remedy="see that 'apt-get update' reaches a Debian mirror from this machine",
        ) from exc
    debs = sorted(archives.glob("*.deb"))
    for deb in debs:
        programs.run(["dpkg-deb", "--extract", deb, into])
    return tuple(deb.name for deb in debs)


def _private_apt(*, suite: str, architecture: str, folder: Path) -> list[str]:
    """Return options for an apt with its own sources, lists and status, and this machine's proxy settings."""
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    (folder / "status").touch()
    source = f"deb [signed-by={apt_mirror.debian_keyring()}] {apt_mirror.debian_mirror()} {suite} main\n"
    (folder / "sources.list").write_text(source)
    settings = {
        "Dir::State": folder,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        # As root apt would become _apt, who may not write into a private folder.
        "APT::Sandbox::User": "root",
        # Without it an update that reached nothing ends with code 0.
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return ["-q", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]


def _real_packages(name: str, apt: Sequence[str]) -> list[str]:
    printed = programs.run(["apt-cache", *apt, "depends", "--important", name]).stdout
    stem, _, architecture = name.rpartition("-")
    needs = [line.split(":", 1)[1].strip() for line in printed.splitlines() if "Depends:" in line]
    versions = [need for need in needs if need.startswith(f"{stem}-") and need.endswith(f"-{architecture}")]
    return versions or [name]
