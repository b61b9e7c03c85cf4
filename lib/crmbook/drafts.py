"""Working copies of the notebooks, and the scratch folder their cells write to: an explored run stays as it is.

A lab has a root of its own, `runs/<customer>/drafts/.scratch-<process>`, that looks like the folder of all customers.
Its tables are links to those of the runs, replaced by new files when a cell saves; everything else is a copy; source/ is
the customer's own, because a decision taken in the lab shall stay. A copy that reveals values carries a banner and says
so in its metadata, whoever switched it on: the server marks it when it is saved.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

import nbformat

from crmbook import runs
from crmbook.errors import on_disk

SCRATCH: Final = ".scratch-"
REVEALED: Final = ".revealed"
MARK: Final = "crmbook"
_BANNER: Final = "revealed"
_NOT_MIRRORED: Final = (
    ".lock",
    "-wal",
    "-shm",
    "notebook.ipynb",
    "report.html",
    "log.jsonl",
    ".progress.json",
)
_LINKED: Final = (".parquet", "ledger.db")
_SWITCHED_ON: Final = re.compile(r"^reveal(?:: bool)? = True\b", re.MULTILINE)


def scratch(folder: Path, customer: str) -> Path:
    """A root for the kernels of this process in *folder*, with the customer's runs in it; those of ended labs are removed."""
    for old in folder.glob(f"{SCRATCH}*"):
        # One of this process's own number is left over from another process that had it.
        if old.name == f"{SCRATCH}{os.getpid()}" or not _is_alive(old.name.removeprefix(SCRATCH)):
            shutil.rmtree(old)
    base = folder / f"{SCRATCH}{os.getpid()}"
    with on_disk(base.name):
        base.mkdir(mode=0o700, parents=True)
        # One budget of calls for everybody who asks the vendors.
        (base / ".quota.db").symlink_to(runs.root() / ".quota.db")
        home, copy = runs.root() / customer, base / customer
        if (home / "customer.toml").exists():
            copy.mkdir(mode=0o700)
            (copy / "customer.toml").symlink_to(home / "customer.toml")
            (home / "source").mkdir(mode=0o700, exist_ok=True)
            (copy / "source").symlink_to(home / "source")
            for record in runs.all_runs(customer):
                _mirror(record.folder, copy / record.folder.name)
    return base


def introduced(path: Path, *, customer: str, run_id: str, reveals: bool) -> None:
    """The copy at *path* with a first cell that says what it is, and the same in its metadata."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata[MARK] = {"working_copy": True, "customer": customer, "run": run_id, "reveals": reveals}
    first = nbformat.v4.new_markdown_cell(_introduction(customer, run_id), id="working-copy")
    notebook.cells.insert(0, first)
    if reveals:
        notebook.cells.insert(0, _banner())
    runs.write_text(path, nbformat.writes(notebook, version=4) + "\n", mode=0o600)


def run_of(path: Path) -> str:
    """The run a copy was filled in for, empty where it names none."""
    return str(nbformat.read(path, as_version=4).metadata.get(MARK, {}).get("run", ""))


def remove(customer_folder: Path, run_id: str) -> list[str]:
    """Deletes the working copies of a run and every scratch folder; their names."""
    folder = customer_folder / "drafts"
    gone = [path for path in sorted(folder.glob("*.ipynb")) if run_of(path) == run_id]
    for path in gone:
        path.unlink()
    for old in (*folder.glob(f"{SCRATCH}*"), folder / ".ipynb_checkpoints"):
        shutil.rmtree(old, ignore_errors=True)
    return [path.name for path in gone]


def mark(model: dict[str, Any], **_given: Any) -> None:
    """Called by the lab's server before it saves: a copy in which `reveal` was switched on gets banner and metadata."""
    if model.get("type") != "notebook" or not model.get("content"):
        return
    content = model["content"]
    code = [cell["source"] for cell in content["cells"] if cell["cell_type"] == "code"]
    if not any(_SWITCHED_ON.search(source) for source in code):
        return
    known = content["metadata"].get(MARK, {})
    content["metadata"][MARK] = {**known, "reveals": True}
    if not any(cell.get("id") == _BANNER for cell in content["cells"]):
        content["cells"].insert(0, _banner())


def _banner() -> Any:
    text = (
        '<div class="alert alert-block alert-danger"><b>This copy shows personal data.</b> It stays on this machine: don\'t'
        " send it, don't print it, delete it when you are done.</div>"
    )
    return nbformat.v4.new_markdown_cell(text, id=_BANNER)


def _introduction(customer: str, run_id: str) -> str:
    named = f"of **{customer}**, run **{run_id}**" if run_id else "for a customer without a run yet"
    return (
        f"**Working copy** {named}. Look, change and run what you like: the cells write to a scratch folder that goes with"
        " the lab, never to the run, and never to a target. A decision counts once it stands in its file and the phase was"
        f" run again (`crmbook run {customer} …`).\n\n"
        "Shift+Enter runs a cell and goes to the next, Esc and then arrows move between cells, Ctrl+Shift+C lists every"
        " command with its keys. In a table the search field, the fields below the columns and Enter on a head filter and"
        " sort. Names and addresses are masked; `crmbook lab --reveal` makes a copy that shows them."
    )


def _mirror(folder: Path, copy: Path) -> None:
    copy.mkdir(mode=0o700)
    for path in sorted(folder.rglob("*")):
        there = copy / path.relative_to(folder)
        if path.is_dir():
            there.mkdir(mode=0o700)
        elif path.name.endswith(_LINKED):
            there.symlink_to(path)
        elif not path.name.endswith(_NOT_MIRRORED):
            shutil.copy2(path, there)


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
