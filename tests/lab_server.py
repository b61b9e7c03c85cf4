"""JupyterLab as `crmbook lab` starts it, for the browser tests: on a free port, with settings of its own."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_THEMES = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"


@contextmanager
def lab(customers: Path, customer: str, settings: Path, *options: str) -> Iterator[str]:
    """The address it prints, token included, while the server runs; light or dark as the browser asks."""
    themes = settings / "user-settings" / _THEMES
    themes.parent.mkdir(parents=True)
    themes.write_text(json.dumps({"adaptive-theme": True}), encoding="utf-8")
    port = _free_port()
    environment = {
        **os.environ, "CRMBOOK_RUNS": str(customers), "JUPYTER_CONFIG_DIR": str(settings),
        "JUPYTER_DATA_DIR": str(settings / "data"), "JUPYTERLAB_SETTINGS_DIR": str(settings / "user-settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(settings / "workspaces"),
    }  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "crmbook", "lab", customer, "--no-browser", "--port", str(port), *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield _address(server, port)
    finally:
        server.kill()
        server.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(server: subprocess.Popen[str], port: int) -> str:
    """The address is printed a moment before the server listens."""
    assert server.stdout
    printed = (re.search(r"http://127\.0\.0\.1:\S+token=\w+", line) for line in server.stdout)
    address = next(found[0] for found in printed if found)
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return address
        time.sleep(0.1)
    raise AssertionError("JupyterLab does not listen")
