"""What `crmbook lab` prepares: the right notebook first, copies that say what they are, and a scratch folder for their cells."""

import os
import stat
from pathlib import Path
from typing import Any

import nbformat
import pytest

import mapping_case
from crmbook import drafts, exploring, figures, lab, lab_tables, runs, target_lock
from crmbook.errors import ConfigError, UsageError
from crmbook.phases import discovery
from customer_setup import content_of

CUSTOMER = mapping_case.CUSTOMER


@pytest.fixture
def record(customers: Path) -> runs.Record:
    """A customer whose discovery has passed."""
    return mapping_case.new_run(customers)


def _texts(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_the_billing_notebook_opens_once_there_is_a_discovery(record: runs.Record) -> None:
    """Filled in for the newest run, with a first cell that says what the copy is."""
    ready = lab.prepare(CUSTOMER, reveals=False)
    texts = _texts(ready.folder / ready.first)
    assert ready.first == "explore_billing_tiers.ipynb"
    assert texts[0].startswith("**Working copy** of **acme**, run **test-01**.")
    assert f'run_id = "{record.folder.name}"' in "\n".join(texts)
    assert "reveal = True" not in "\n".join(texts)
    assert stat.S_IMODE((ready.folder / ready.first).stat().st_mode) == 0o600


def test_without_a_run_the_first_phase_opens(customers: Path) -> None:
    """A new customer begins with 01; the copy says that there is no run yet."""
    (customers / CUSTOMER).mkdir()
    (customers / CUSTOMER / "customer.toml").write_text(mapping_case.GOOD, encoding="utf-8")
    ready = lab.prepare(CUSTOMER, reveals=False)
    assert ready.first == "01_discovery.ipynb"
    assert _texts(ready.folder / ready.first)[0].startswith(
        "**Working copy** for a customer without a run yet."
    )
    with pytest.raises(UsageError, match="no discovery yet"):
        lab.prepare(CUSTOMER, reveals=True)


def test_an_unknown_customer_is_named(customers: Path) -> None:
    """Nothing is made for a name that is no customer."""
    with pytest.raises(ConfigError):
        lab.prepare("nobody", reveals=False)
    assert list(customers.iterdir()) == []


def test_a_persons_copy_is_kept_and_an_earlier_runs_set_aside(record: runs.Record) -> None:
    """The same run: the copy as it was left. Another run: a new copy, the old one under its run's name."""
    path = lab.prepare(CUSTOMER, reveals=False).folder / "02_mapping.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "my own"
    nbformat.write(notebook, path)
    lab.prepare(CUSTOMER, reveals=False)
    assert _texts(path)[0] == "my own"
    runs.create(CUSTOMER, "test", parameters={"sample": 0}, run_id="test-02")
    lab.prepare(CUSTOMER, reveals=False)
    assert _texts(path)[0].startswith("**Working copy** of **acme**, run **test-02**.")
    assert _texts(path.with_name("02_mapping~test-01.ipynb"))[0] == "my own"


def test_a_revealing_copy_is_its_own_and_says_so(record: runs.Record) -> None:
    """Banner first, metadata, the parameter set; the masked copy stays beside it."""
    ready = lab.prepare(CUSTOMER, reveals=True)
    notebook = nbformat.read(ready.folder / ready.first, as_version=4)
    assert ready.first == "explore_billing_tiers.revealed.ipynb"
    assert "This copy shows personal data" in notebook.cells[0].source
    assert notebook.metadata[drafts.MARK]["reveals"] is True
    assert "reveal = True" in "\n".join(cell.source for cell in notebook.cells)
    assert (ready.folder / "explore_billing_tiers.ipynb").exists()


def _saved(source: str, **metadata: Any) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=metadata)
    model = {"type": "notebook", "content": notebook}
    drafts.mark(model, path="x.ipynb", contents_manager=None)
    drafts.mark(model, path="x.ipynb", contents_manager=None)
    return notebook


def test_switching_reveal_on_by_hand_marks_the_copy_when_it_is_saved() -> None:
    """Banner once and metadata, what stood there kept; a copy that masks stays as it is."""
    marked = _saved("reveal = True  # look", crmbook={"run": "test-01"})
    assert [cell.cell_type for cell in marked.cells] == ["markdown", "code"]
    assert marked.metadata[drafts.MARK] == {"run": "test-01", "reveals": True}
    plain = _saved("reveal: bool = False")
    assert [cell.cell_type for cell in plain.cells] == ["code"]
    assert drafts.MARK not in plain.metadata


def test_cells_write_to_the_scratch_folder_never_to_the_run(
    record: runs.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """02 said in the lab reads the run's tables and leaves every file of the run as it was; source/ is the customer's own."""
    before = content_of(record.folder)
    ready = lab.prepare(CUSTOMER, reveals=False)
    with monkeypatch.context() as kernel:
        kernel.setenv("CRMBOOK_RUNS", str(ready.root))
        mapping_case.mapped(runs.Record(ready.root / CUSTOMER / record.folder.name))
        run = exploring.open(CUSTOMER, record.folder.name)
        assert run.source_folder.resolve() == record.folder.parent / "source"
    assert content_of(record.folder) == before
    assert (ready.root / CUSTOMER / "test-01/02_mapping/data/mapping.parquet").exists()


def test_scratch_folders_of_ended_labs_are_removed(record: runs.Record) -> None:
    """A lab that was killed leaves its folder; the next one takes it away, and purging a run takes all of them."""
    folder = lab.prepare(CUSTOMER, reveals=False).folder
    (folder / f"{drafts.SCRATCH}{os.getpid()}").rename(folder / f"{drafts.SCRATCH}999999999")
    lab.prepare(CUSTOMER, reveals=False)
    assert [path.name for path in folder.glob(f"{drafts.SCRATCH}*")] == [f"{drafts.SCRATCH}{os.getpid()}"]
    removed = drafts.remove(folder.parent, "test-01")
    assert "explore_billing_tiers.ipynb" in removed
    assert list(folder.iterdir()) == []


def test_a_working_copy_never_writes_to_a_target(
    record: runs.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that every write needs is refused in the lab, with the command that may write."""
    run = runs.open("02_mapping", customer=CUSTOMER, run_id=record.folder.name)
    monkeypatch.setenv(lab_tables.VARIABLE, "1")
    with (
        pytest.raises(UsageError, match="never writes to a target; run the phase with: crmbook run acme"),
        target_lock.held(run),
    ):
        pytest.fail("the lock was given")


def test_tables_in_the_lab_sort_and_filter_and_stay_masked(
    record: runs.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`show` hands the frame over with its personal columns masked, more than twenty rows of it."""
    shown: list[Any] = []
    monkeypatch.setenv(lab_tables.VARIABLE, "1")
    monkeypatch.setattr(lab_tables, "show", shown.append)
    people = runs.open("02_mapping", customer=CUSTOMER, run_id="test-01").read("source_contacts")
    figures.show(people.select("source_id", "name", "email"), "source_contacts")
    figures.show(discovery.billing(people))
    assert shown[0].rows() == [("1", "•••", "•••"), ("2", "•••", "•••"), ("3", "•••", "•••")]
    assert shown[1].columns[-1] == "tier"
