"""The demo customer on Freshsales Classic, from end to end through the command: leads beside contacts."""

from pathlib import Path

import polars as pl
import pytest

from conftest import Demo, crmbook

HISTORY = ("actual_tasks", "actual_sales_activities", "actual_notes")


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo customer migrated to Classic once; tests only read it."""
    folder = tmp_path_factory.mktemp("classic") / "runs"
    folder.mkdir()
    finished = crmbook("demo", "--edition", "classic", "--json", runs=folder, timeout_s=900)
    assert finished.code == 0, finished.out + finished.err
    return Demo(folder, Path(finished.json["report"]).parent, finished)


def read(demo: Demo, table: str) -> pl.DataFrame:
    (path,) = (p for p in demo.run.glob(f"*/data/{table}.parquet") if "~" not in p.parts[-3])
    return pl.read_parquet(path)


def test_the_demo_has_a_customer_of_its_own(classic: Demo) -> None:
    """Classic does not overwrite the Suite demo, and the report names the edition."""
    assert [path.name for path in classic.runs.iterdir() if path.is_dir()] == ["demo-classic"]
    assert "classic edition, plan estate" in (classic.run / "index.html").read_text(encoding="utf-8")


def test_everything_is_there_and_nothing_differs(classic: Demo) -> None:
    """No record, relation, field, entry of history or instant is missing, doubled, unexpected or different."""
    records = read(classic, "class_balance").select("missing", "duplicated", "unexpected", "unaccounted")
    relations = read(classic, "link_balance").select("missing", "extra", "wrong_primary", "unaccounted")
    fields = pl.concat(
        [read(classic, name).select("different") for name in ("field_fidelity", "history_fidelity")]
    )
    history = read(classic, "history_class_balance").select(
        "missing", "duplicated", "unexpected", "different", "unaccounted"
    )
    chain = read(classic, "history_chain").select("lost", "unaccounted")
    instants = read(classic, "instant_balance").select("different")
    for frame in (records, relations, fields, history, chain, instants):
        assert frame.height > 0
        assert [0] * frame.width == [frame[name].sum() for name in frame.columns]


def test_people_stand_where_the_source_says(classic: Demo) -> None:
    """Told from the source: with a deal, a call, a meeting or a mail that was read, a contact; everybody else a lead."""
    people, deals = read(classic, "source_contacts"), read(classic, "source_deals")
    named = pl.concat([deals["contact_id"], deals["participants"].explode(empty_as_null=True)]).drop_nulls()
    seen = people.filter(pl.col("last_contacted").is_not_null())["source_id"]
    acts = read(classic, "source_activities").join(
        read(classic, "source_activity_types"), on="activity_type_id"
    )
    met = acts.filter(pl.col("kind").is_in(["call", "meeting", "email"]))["contact_id"].drop_nulls()
    answered = pl.col("opened_at").is_not_null() | pl.col("clicked_at").is_not_null()
    mailed = read(classic, "source_emails").filter(answered)["contact_id"].drop_nulls()
    engaged = set(named) | set(seen) | set(met) | set(mailed)
    merged = read(classic, "merges").filter(pl.col("entity") == "contact")
    into = set(merged["survivor_id"])
    loaded = read(classic, "classes").filter((pl.col("entity") == "contact") & (pl.col("class") == "loaded"))
    alone = loaded.filter(~pl.col("source_id").is_in(list(into)))
    there = read(classic, "existing").filter(pl.col("module") == "contacts")["email"].str.to_lowercase()
    email = dict(people.select("source_id", pl.col("email").str.strip_chars().str.to_lowercase()).iter_rows())
    wrong = [
        source_id
        for source_id, module in alone.select("source_id", "module").iter_rows()
        if (module == "contacts") != (source_id in engaged or email[source_id] in set(there))
    ]
    assert {"contacts", "leads"} == set(alone["module"])
    assert [] == wrong


def test_history_hangs_on_leads_too(classic: Demo) -> None:
    """Tasks, activities and notes stand on leads as well as on contacts; whoever had a meeting is no lead."""
    for table in HISTORY:
        kinds = read(classic, table)["parent"].drop_nulls().str.extract("^([a-z]+):").unique()
        assert {"contact", "lead"} <= set(kinds), table
    assert not read(classic, "actual_appointments")["parent"].str.contains("lead:").any()


def test_what_a_lead_cannot_hold_is_told(classic: Demo) -> None:
    """Memberships of leads and their further companies are counted with the reason."""
    carried = read(classic, "carried")
    members = carried.filter((pl.col("entity") == "membership") & (pl.col("state") == "rejected"))
    assert "a lead has no place in a list" in set(members["reason"])
    dropped = read(classic, "links").filter(pl.col("reason") == "a lead names one company only")
    lost = read(classic, "loss").filter((pl.col("field") == "company_ids") & (pl.col("kind") == "dropped"))
    assert 0 < lost["records"].sum() <= dropped.height


def test_nothing_of_the_lifecycle_is_planned(classic: Demo) -> None:
    """Classic has no stages for contacts: none is read, none is written."""
    assert read(classic, "target_statuses").is_empty()
    assert "lifecycle" not in set(read(classic, "plan")["action"])
    assert read(classic, "actual_contacts")["lifecycle_stage_id"].null_count() == read(
        classic, "actual_contacts"
    ).height  # fmt: skip
