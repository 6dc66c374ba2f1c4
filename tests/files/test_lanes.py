"""The lanes' own rules, seen from outside: a pytest run that skips is red in CI and green elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_SKIPS = {
    "a test": "import pytest\ndef test_x(): pytest.skip('no time')\n",
    "a marked test": "import pytest\n@pytest.mark.skip(reason='no time')\ndef test_x(): pass\n",
    "a module": "import pytest\npytest.skip('no time', allow_module_level=True)\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no time')\ndef test_x(f): pass\n",
}


def _pytest(folder: Path, source: str, *, in_ci: bool) -> subprocess.CompletedProcess[str]:
    (folder / "test_x.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT), "CI": str(in_ci).lower()}
    argv = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rA", "."]
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("source", _SKIPS.values(), ids=_SKIPS)
def test_in_ci_whatever_is_skipped_fails_and_says_why(tmp_path: Path, source: str) -> None:
    run = _pytest(tmp_path, source, in_ci=True)

    assert run.returncode in {1, 2}, run.stdout
    assert "nothing may be skipped in CI" in run.stdout
    assert "no time" in run.stdout


def test_outside_ci_a_skip_is_shown_but_green(tmp_path: Path) -> None:
    run = _pytest(tmp_path, _SKIPS["a test"], in_ci=False)

    assert run.returncode == 0, run.stdout
    assert "1 skipped" in run.stdout


def test_an_expected_failure_stays_one_in_ci(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.xfail(strict=True, reason='known')\ndef test_x(): assert False\n"

    run = _pytest(tmp_path, source, in_ci=True)

    assert run.returncode == 0, run.stdout
    assert "1 xfailed" in run.stdout
