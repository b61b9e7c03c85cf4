"""A sample shows every class and brings along what hangs on it."""

from crmbook.phases import sampling
from source_rows import companies, contacts, deals

PEOPLE = contacts(
    *({"source_id": str(n), "email": f"p{n}@b.example", "company_ids": ["c1"]} for n in range(50)),
    {"source_id": "90", "email": "P1@B.example ", "company_ids": ["c2", "c3"]},
    {"source_id": "91", "phone_number": "+48600100200"},
    {"source_id": "92", "email": "not an address"},
    {"source_id": "93", "web_push_subscription": True},
    {"source_id": "94", "email": "v@b.example", "p_rare": "x"},
)
SALES = deals(
    {"source_id": "d1", "contact_id": "7", "company_id": "c4", "pipeline_id": "1", "stage_id": "1", "status": 2,
     "participants": ["8", "91"]},
    {"source_id": "d2", "contact_id": None, "participants": ["9"], "pipeline_id": "1", "stage_id": "1", "status": 1},
)  # fmt: skip
FIRMS = companies(*({"source_id": f"c{n}", "name": f"Firm {n}"} for n in range(1, 6)))


def test_every_class_is_covered_before_the_common_ones_fill_up() -> None:
    """Each feature any contact has is shown by a contact of the sample."""
    made = sampling.sample(PEOPLE, FIRMS, SALES, 14)

    everything = set(sampling.classes(PEOPLE, SALES).get_column("feature"))
    assert everything == set(sampling.classes(made.contacts, made.deals).get_column("feature"))
    assert made.contacts.height == 14


def test_companies_and_deals_come_along() -> None:
    """What a chosen contact or deal points to is in the sample, and nothing else."""
    made = sampling.sample(PEOPLE, FIRMS, SALES, 14)

    pointed = set(made.contacts.explode("company_ids").get_column("company_ids").drop_nulls()) | {"c4"}
    assert pointed == set(made.companies.get_column("source_id"))
    assert ["d1", "d2"] == made.deals.get_column("source_id").to_list()


def test_relations_out_of_the_sample_are_cut() -> None:
    """A participant who was not chosen would be a dangling link."""
    made = sampling.sample(PEOPLE, FIRMS, SALES, 14)

    chosen = set(made.contacts.get_column("source_id"))
    assert set(made.deals.explode("participants").get_column("participants").drop_nulls()) <= chosen


def test_a_sample_larger_than_the_account_is_the_account() -> None:
    """Asking for more changes nothing."""
    assert PEOPLE.equals(sampling.sample(PEOPLE, FIRMS, SALES, 1000).contacts)


def test_the_same_account_gives_the_same_sample() -> None:
    """Order of rows has no say in who is chosen."""
    one = sampling.sample(PEOPLE, FIRMS, SALES, 7).contacts.get_column("source_id").sort()

    assert one.equals(
        sampling.sample(PEOPLE.reverse(), FIRMS, SALES, 7).contacts.get_column("source_id").sort()
    )
