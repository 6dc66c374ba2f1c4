"""The program's entry: the only place that turns an error into an exit code."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from imagesmith.cli import run  # noqa: PLC0415 -- start-up cost belongs inside the error handling

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
