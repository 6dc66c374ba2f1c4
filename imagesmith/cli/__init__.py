"""The command line: parse, ask, call `app`, render. Holds no decision of its own."""

import importlib
import json
import signal
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from types import FrameType

import click

from imagesmith import __version__
from imagesmith.errors import ImagesmithError, InterruptedRunError

_BUG = 1
_USAGE = 2


_COMMANDS = ("check", "build", "cards", "slots", "flash", "verify", "boot", "ledger", "doctor")
"""In the order of the help; each is the click command of its name in the module of its name."""


class _Commands(click.Group):
    """Commands imported when they are asked for: all of them would cost a flash a third of a second."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command = getattr(importlib.import_module(f"imagesmith.cli.{name}"), name)
        return command if isinstance(command, click.Command) else None


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="imagesmith")
def imagesmith() -> None:
    """Make N verified Jetson Nano cards from one stock image and one recipe."""


def run(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code (docs/reference.md)."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = imagesmith.main(args=list(argv), prog_name="imagesmith", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        return _USAGE
    except (click.Abort, KeyboardInterrupt):
        return _tell(InterruptedRunError("interrupted"), as_json="--json" in argv)
    except ImagesmithError as exc:
        return _tell(exc, as_json="--json" in argv)
    except Exception:  # noqa: BLE001 -- the outermost frame: whatever comes here is a bug and says so
        traceback.print_exc()
        click.echo("This is a bug in imagesmith. Please report it with the lines above.", err=True)
        return _BUG
    return result if isinstance(result, int) else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(error: ImagesmithError, *, as_json: bool) -> int:
    if as_json:
        document = {
            "error": type(error).__name__,
            "exit_code": error.exit_code,
            "what": error.what,
            "why": error.why,
            "remedy": error.remedy,
            "problems": [asdict(problem) for problem in getattr(error, "problems", ())],
        }
        click.echo(json.dumps(document))
    for line in error.lines():
        click.echo(line, err=True)
    sys.stdout.flush()
    return error.exit_code
