"""What stopped a command, as one object: its line, kind and exit code, and for a stop that waits the command to type."""

from typing import Any

from crmbook.errors import CrmbookError, Waiting, disk_error

INTERRUPTED = 130


def told(problem: BaseException) -> dict[str, Any]:
    """*problem* as `--json` prints it; what is neither ours, nor the disk's, nor an interruption, is a bug."""
    if isinstance(problem, KeyboardInterrupt):
        return account("interrupted; run again to continue", "Interrupted", INTERRUPTED)
    stop = problem if isinstance(problem, CrmbookError) else _of_the_disk(problem)
    if stop is None:
        return account("a bug; please report it with the lines above", type(problem).__name__, 1)
    more = {"waits_for": stop.what, "command": stop.command} if isinstance(stop, Waiting) else {}
    return account(" ".join(str(stop).split()), type(stop).__name__, stop.exit_code) | more


def is_bug(problem: BaseException) -> bool:
    """Whether the lines of the stack are wanted."""
    return not isinstance(problem, CrmbookError | KeyboardInterrupt) and _of_the_disk(problem) is None


def account(line: str, kind: str, code: int) -> dict[str, Any]:
    return {"error": line, "kind": kind, "exit_code": code}


def _of_the_disk(problem: BaseException) -> CrmbookError | None:
    return disk_error(str(getattr(problem, "filename", None) or "a file"), problem)
