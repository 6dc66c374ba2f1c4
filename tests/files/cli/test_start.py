"""What the program loads before it does anything: a flash waits for no emulator."""

import subprocess
import sys

_LOADED = """
import sys
from imagesmith.cli import run
code = run(["flash", "--help"])
print(code, *(name for name in ("imagesmith.emulator", "imagesmith.build", "guestfs") if name in sys.modules))
"""


def test_a_command_loads_what_it_needs_and_no_other_commands() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)

    assert "0" == done.stdout.splitlines()[-1]
