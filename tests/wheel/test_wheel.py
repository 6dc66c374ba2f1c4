import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_an_installed_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    source = tmp_path / "source"
    run("git", "clone", "-q", CHECKOUT, source, cwd=tmp_path)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, source, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run("/usr/bin/python3", "-m", "venv", "--system-site-packages", tmp_path / "venv", cwd=tmp_path)
    run(tmp_path / "venv/bin/pip", "install", "-q", wheel, cwd=tmp_path)

    program = tmp_path / "venv/bin/imagesmith"
    assert run(program, "--version", cwd=tmp_path).startswith("imagesmith, version ")
    assert "mpi: the recipe is right (8 nodes)" in run(program, "check", "mpi", cwd=tmp_path)
    assert "k8s: the recipe is right (8 nodes)" in run(program, "check", "k8s", cwd=tmp_path)
    (data,) = (tmp_path / "venv").glob("lib/python3*/site-packages/imagesmith/data")
    for folder in ("recipes", "overlays", "firstboot"):
        assert listing(source / folder) == listing(data / folder)


def listing(folder: Path) -> dict[str, bool]:
    """Return every file below a folder and whether it may be executed."""
    found = {
        str(path.relative_to(folder)): bool(path.stat().st_mode & 0o100)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found
    return found
