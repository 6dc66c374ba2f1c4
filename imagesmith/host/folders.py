"""Where things are kept here: cache, configuration, state, and the data files of the package itself."""

import os
from pathlib import Path

import imagesmith


def _xdg(variable: str, fallback: str) -> Path:
    value = os.environ.get(variable, "")
    # The XDG specification: a relative path is invalid and is to be ignored.
    root = Path(value) if value.startswith("/") else Path.home() / fallback
    return root / "imagesmith"


def cache_folder() -> Path:
    """Return the folder for what can be made again: bases, layers, the emulator's kernel."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def config_folder() -> Path:
    """Return the folder for what people decide about this machine: the names of its card slots."""
    return _xdg("XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """Return the folder for what is remembered: which image was built last, from which recipe."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def data_folder(name: str) -> Path:
    """Return `recipes`, `overlays` or `firstboot`: beside the package in a checkout, inside it in a wheel."""
    package = Path(imagesmith.__file__).resolve().parent
    for candidate in (package / "data" / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"imagesmith was installed without its {name!r} folder")
