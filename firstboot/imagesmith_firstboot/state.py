"""What the agent remembers and shows: markers, the state file, the message of the day, the result.

Markers are per step and hold the digest of what the step consumed: another slot, other digest, the step runs
again. The state file is for people and programs, the result is what the unit is keyed on. No secret in any.
"""

import hashlib
import json
from typing import Any, Dict, List, NamedTuple, Optional

from imagesmith_firstboot.root import Root

FOLDER = "/var/lib/imagesmith"
STATE_PATH = FOLDER + "/state.json"
RESULT_PATH = FOLDER + "/ready"
MOTD_PATH = FOLDER + "/motd"
SCHEMA = 1


class Marker(NamedTuple):
    """A step's success, kept through power cuts."""

    inputs_sha256: str
    detail: str
    seconds: float
    baked: bool

    @property
    def status(self) -> str:
        """The word for it in the state file."""
        return "baked" if self.baked else "done"


def digest_of(inputs: Any) -> str:  # noqa: ANN401 -- any JSON value
    """Return sha256 of a JSON value, 64 hex digits."""
    text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_marker(root: Root, step: str) -> Optional[Marker]:
    """Return a step's marker, or None: not done, or the marker cannot be read."""
    try:
        raw = json.loads(root.read_text(_marker_path(step)) or "")
        if raw["schema"] != SCHEMA or raw["step"] != step:
            return None
        return Marker(
            str(raw["inputs_sha256"]), str(raw["detail"]), float(raw["seconds"]), bool(raw["baked"])
        )
    except (ValueError, KeyError, TypeError):
        return None


def write_marker(root: Root, step: str, marker: Marker) -> None:
    """Write a step's marker; 0600, because the digest covers the slot's secrets."""
    root.make_folder(FOLDER)
    root.make_folder(FOLDER + "/steps", 0o700)
    root.write(_marker_path(step), _json({"schema": SCHEMA, "step": step, **marker._asdict()}), 0o600)


def _marker_path(step: str) -> str:
    return f"{FOLDER}/steps/{step}.done"


class State:
    """The state file, rewritten at every change."""

    def __init__(self, root: Root, steps: List[str]) -> None:
        self._root = root
        self._names = steps
        self.values: Dict[str, Any] = {}

    def begin(self, attempt: int, boot_id: str) -> None:
        """Start an attempt: every step pending."""
        self.values = {
            "schema": SCHEMA,
            "status": "running",
            "attempt": attempt,
            "boot_id": boot_id,
            "hostname": None,
            "node_index": None,
            "cluster": None,
            "mode": None,
            "steps": [
                {"name": name, "status": "pending", "detail": "", "seconds": 0.0} for name in self._names
            ],
            "error": None,
        }
        self.save()

    def settle(self, step: str, status: str, detail: str, seconds: float) -> None:
        """Record how a step ended."""
        row = self.values["steps"][self._names.index(step)]
        row.update(status=status, detail=detail, seconds=round(seconds, 1))
        self.save()

    def end(self, status: str, error: Optional[Dict[str, str]] = None) -> None:
        """Record how the attempt ended: `retrying`, `failed` or `ready`."""
        self.values.update(status=status, error=error)
        self.save()

    def save(self) -> None:
        """Write the state file and the message of the day."""
        self._root.write(STATE_PATH, _json(self.values))
        self._root.write(MOTD_PATH, headline(self.values) + "\n")


def read_state(root: Root) -> Optional[Dict[str, Any]]:
    """Return the state file's values, or None when there is none that can be read."""
    try:
        values = json.loads(root.read_text(STATE_PATH) or "")
    except ValueError:
        return None
    return values if isinstance(values, dict) and values.get("schema") == SCHEMA else None


def headline(values: Dict[str, Any]) -> str:
    """Return the state in one line."""
    if values["status"] == "ready":
        return f"imagesmith: {whereabouts(values)} is ready"
    done = sum(step["status"] in ("done", "baked") for step in values["steps"])
    line = f"imagesmith: {values['status']}, attempt {values['attempt']}, {done}/{len(values['steps'])} steps"
    error = values["error"]
    return f"{line}; {error['step']}: {error['message']}" if error else line


def whereabouts(values: Dict[str, Any]) -> str:
    """Return which node of which cluster this is."""
    place = f"node {values['node_index']}" if values["node_index"] is not None else "a node without identity"
    return f"{values['hostname']} ({place} of {values['cluster']})"


def report(values: Dict[str, Any]) -> str:
    """Return the whole state as people read it."""
    rows = [
        f"  {step['status']:8}{step['name']:17}{step['seconds']:6.1f} s  {step['detail']}".rstrip()
        for step in values["steps"]
    ]
    return "\n".join([headline(values), *rows])


def _json(values: Dict[str, Any]) -> str:
    return json.dumps(values, indent=1, sort_keys=True) + "\n"
