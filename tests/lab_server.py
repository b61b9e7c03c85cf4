"""JupyterLab as `crmbook lab` starts it, for the browser tests: on a free port, with settings of its own."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def lab(customers: Path, customer: str, settings: Path, *options: str) -> Iterator[str]:
    """The address it prints, token included, while the server runs."""
    port = _free_port()
    environment = {
        **os.environ, "CRMBOOK_RUNS": str(customers), "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTER_DATA_DIR": str(settings / "data"), "JUPYTERLAB_SETTINGS_DIR": str(settings / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
    }  # fmt: skip
    settings.mkdir(parents=True)
    printed = settings / "printed.txt"
    # Into a file: a pipe nobody reads is full one day, and the server would stand still.
    with printed.open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "crmbook", "lab", customer, "--no-browser", "--port", str(port), *options],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield _address(server, printed, port)
    finally:
        server.kill()
        server.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(server: "subprocess.Popen[bytes]", printed: Path, port: int) -> str:
    """The address is printed a moment before the server listens."""
    for _ in range(3000):
        assert server.poll() is None, printed.read_text(encoding="utf-8")
        found = re.search(r"http://127\.0\.0\.1:\S+token=\w+", printed.read_text(encoding="utf-8"))
        with socket.socket() as probe:
            if found and probe.connect_ex(("127.0.0.1", port)) == 0:
                return found[0]
        time.sleep(0.1)
    raise AssertionError("JupyterLab does not listen")
