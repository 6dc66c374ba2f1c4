"""The agent's expected failures. Anything else is a bug, and fails the step all the same."""


class StepError(Exception):
    """Say why a step could not be done: one line, shown to people, never holding a secret."""


class CommandError(StepError):
    """A program is missing, ended badly or did not end."""


class DocumentError(StepError):
    """cluster.json or node.json is not what the agent was built to read."""
