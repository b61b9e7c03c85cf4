"""JupyterLab on working copies: which notebook opens first, filled in for which run, and what its kernels may touch.

The templates are never opened for work. The server listens on loopback only, asks no other machine, and has no
terminals, whose commands would meet the scratch folder instead of the runs.
"""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crmbook import config, drafts, exploring, lab_tables, runner, runs
from crmbook.errors import UsageError

_DEMO: Final = "demo"
_DEFAULTS: Final = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
}
_WORKSPACE: Final = "crmbook"


@dataclass(frozen=True)
class Prepared:
    """The folder of the working copies, the one that opens first, and the root its kernels see."""

    folder: Path
    first: str
    root: Path


def open(customer: str | None, *, port: int, opens_browser: bool, reveals: bool) -> None:  # noqa: A001  lab.open reads as it is meant
    """JupyterLab in place of this process, on the copies of *customer* (default: the demo)."""
    if shutil.which("jupyter-lab", path=str(Path(sys.executable).parent)) is None:
        raise UsageError("jupyterlab is not installed here; install the project with: make demo")
    ready = prepare(customer, reveals=reveals)
    settings = [str(_settings(ready.root)), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    environment = {
        **os.environ, "CRMBOOK_RUNS": str(ready.root), lab_tables.VARIABLE: "1",
        "JUPYTER_CONFIG_PATH": os.pathsep.join(settings),
    }  # fmt: skip
    arguments = [
        f"--ServerApp.root_dir={ready.folder}",
        f"--LabApp.default_url=/lab/workspaces/{_WORKSPACE}",
        f"--LabApp.workspaces_dir={_workspaces(ready)}",
        f"--port={port}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.terminals_enabled=False",
        "--FileContentsManager.pre_save_hook=crmbook.drafts.mark",
    ]
    # As root (a container) the server refuses to start without being told; it listens on loopback only.
    arguments += ["--allow-root"] if os.geteuid() == 0 else []
    arguments += [] if opens_browser else ["--no-browser"]
    # News and update checks would leave the machine.
    quiet = ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *arguments, *quiet], environment)  # noqa: S606


def prepare(customer: str | None, *, reveals: bool) -> Prepared:
    """
    Working copies of every template, filled in for the customer's newest run.

    Where its discovery has passed the billing notebook opens first, else 01. A copy made for an earlier run is kept
    under that run's name.

    Raises:
        ConfigError: there is no such customer.
        UsageError: *reveals* without a run to reveal anything of.
    """
    key = customer or _DEMO
    if customer:
        config.read(runs.root() / key / "customer.toml")
    known = runs.all_runs(key)
    folder = (runs.root() / key if customer or known else runs.root()) / "drafts"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    newest = known[-1].folder.name if known else ""
    for template in sorted((runs.project() / "notebooks").glob("*.ipynb")):
        _copied(template, folder / template.name, key, newest, reveals=False)
    first = f"{exploring.NAME if _is_discovered(known) else runs.NAMES[0]}.ipynb"
    if reveals:
        if not _is_discovered(known):
            raise UsageError(
                "--reveal: there is no discovery yet to show anything of; run 01_discovery first"
            )
        first = f"{exploring.NAME}{drafts.REVEALED}.ipynb"
        _copied(runner.template(exploring.NAME), folder / first, key, newest, reveals=True)
    return Prepared(folder, first, drafts.scratch(folder, key))


def _settings(root: Path) -> Path:
    """A place for the lab's defaults, which a person's own settings win over: light or dark as the system is, no news asked."""
    folder = root / ".settings"
    (folder / "labconfig").mkdir(mode=0o700, parents=True)
    runs.write_json(folder / "labconfig" / "default_setting_overrides.json", _DEFAULTS)
    return folder


def _workspaces(ready: Prepared) -> Path:
    """
    A place for the windows of this lab, for as long as it runs, with the one that opens: only the first notebook.

    The notebook has the whole window, also a narrow one; Ctrl+B shows the files. An address with the notebook's path in
    it would show them at once.
    """
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    widget = f"notebook:{ready.first}"
    layout = {
        "main": {"dock": {"type": "tab-area", "currentIndex": 0, "widgets": [widget]}, "current": widget},
        "down": {"size": 0, "collapsed": True, "widgets": []},
        "left": {"collapsed": True, "visible": True, "current": None, "widgets": ["filebrowser"]},
        "right": {"collapsed": True, "visible": True, "widgets": []},
    }
    opened = {"data": {"path": ready.first, "factory": "Notebook"}}
    content = {"data": {"layout-restorer:data": layout, widget: opened}, "metadata": {"id": _WORKSPACE}}
    folder = ready.root / ".workspaces"
    folder.mkdir(mode=0o700)
    WorkspacesManager(str(folder)).save(_WORKSPACE, json.dumps(content))
    return folder


def _is_discovered(known: list[runs.Record]) -> bool:
    return bool(known) and known[-1].phase(runs.NAMES[0]).get("status") == "passed"


def _copied(template: Path, draft: Path, customer: str, run_id: str, *, reveals: bool) -> None:
    """A working copy with the customer's parameters; what a person made of one for the same run is kept."""
    import papermill

    if draft.exists():
        before = drafts.run_of(draft)
        if before == run_id:
            return
        draft.rename(draft.with_name(f"{draft.stem}~{before or 'none'}.ipynb"))
    declared = runner.declared(template.stem)
    given = {"customer": customer, "run_id": run_id, "reveal": reveals}
    parameters = {name: value for name, value in given.items() if value and name in declared}
    papermill.execute_notebook(
        str(template), str(draft), parameters=parameters, prepare_only=True, kernel_name="python3",
        progress_bar=False,
    )  # fmt: skip
    drafts.introduced(draft, customer=customer, run_id=run_id, reveals=reveals)
