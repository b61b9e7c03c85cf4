"""Names, places and phrases of the demo account, in the languages and scripts a European agency meets.

All of it is invented. Telephone numbers come from the ranges regulators keep for films and books (Ofcom,
BNetzA, ARCEP, NANPA, PTS); domains end in .example.
"""

from dataclasses import dataclass

MAIL_DOMAINS = ("poczta.example", "mail.example", "post.example", "correo.example", "inbox.example")


@dataclass(frozen=True)
class Place:
    """Where a contact lives, and which names and telephone range go with it."""

    city: str
    region: str
    country: str
    time_zone: str
    language: str
    phone: str


_UK, _DE, _FR, _US, _SE = (
    "+447700900{:03d}",
    "+4930231250{:02d}",
    "+336399800{:02d}",
    "+120255501{:02d}",
    ("+46701740{:03d}"),
)

PLACES = (
    Place("Kraków", "Małopolskie", "Poland", "Europe/Warsaw", "pl", _UK),
    Place("Gdańsk", "Pomorskie", "Poland", "Europe/Warsaw", "pl", _UK),
    Place("Łódź", "Łódzkie", "Poland", "Europe/Warsaw", "pl", _UK),
    Place("München", "Bayern", "Germany", "Europe/Berlin", "de", _DE),
    Place("Köln", "Nordrhein-Westfalen", "Germany", "Europe/Berlin", "de", _DE),
    Place("Besançon", "Bourgogne-Franche-Comté", "France", "Europe/Paris", "fr", _FR),
    Place("Malmö", "Skåne", "Sweden", "Europe/Stockholm", "sv", _SE),
    Place("Plzeň", "Plzeňský kraj", "Czechia", "Europe/Prague", "cs", _UK),
    Place("A Coruña", "Galicia", "Spain", "Europe/Madrid", "es", _UK),
    Place("Leeds", "West Yorkshire", "United Kingdom", "Europe/London", "en", _UK),
    Place("Boise", "Idaho", "United States", "America/Boise", "en", _US),
)
COUNTRIES = tuple(sorted({place.country for place in PLACES}))

GIVEN: dict[str, dict[str, tuple[str, ...]]] = {
    "pl": {"female": ("Zofia", "Małgorzata", "Żaneta", "Agnieszka"), "male": ("Łukasz", "Paweł", "Michał")},
    "de": {"female": ("Käthe", "Jördis", "Annika"), "male": ("Jürgen", "Götz", "Matthias")},
    "fr": {"female": ("Éloïse", "Hélène", "Maëlle"), "male": ("Loïc", "François", "Théo")},
    "sv": {"female": ("Åsa", "Märta", "Linnéa"), "male": ("Göran", "Håkan", "Björn")},
    "cs": {"female": ("Růžena", "Šárka", "Eliška"), "male": ("Jiří", "Ondřej", "Tomáš")},
    "es": {"female": ("Begoña", "Inés", "Lucía"), "male": ("Íñigo", "Andrés", "Joaquín")},
    "en": {"female": ("Grace", "Imogen", "Harriet"), "male": ("Callum", "Desmond", "Theodore")},
}
FAMILY: dict[str, tuple[str, ...]] = {
    "pl": ("Wójcik", "Żurawska", "Dąbrowska", "Gołąb", "Źrebiec", "Śliwa", "Kowalczyk", "Ćwikła"),
    "de": ("Müller", "Großmann", "Schäfer", "Köhler", "von der Heide", "Weiß"),
    "fr": ("Lefèvre", "Garçon", "Béranger", "d'Aubigné", "Noël"),
    "sv": ("Öberg", "Ångström", "Sjögren", "Lindqvist"),
    "cs": ("Dvořák", "Němcová", "Říha", "Kučera"),
    "es": ("Muñoz", "Ibáñez", "Núñez Ordóñez", "Peña"),
    "en": ("Whitfield", "O'Brien", "Ashworth", "Okafor", "St. John"),
}

COMPANY_FIRST = (
    *("Amber", "Bałtyk", "Copper Lane", "Drei Linden", "Étoile", "Fjordline", "Górnik", "Hanse"),
    *("Isar", "Jantar", "Krokus", "Lumière", "Mazury", "Nordkap", "Old Mill", "Pieniny"),
)
COMPANY_LAST = (
    *("Logistics", "Brauerei", "Design Studio", "Consulting", "Spółdzielnia", "Software"),
    *("Clinic", "Fabryka Mebli", "Architects", "Kolektiv", "Handels AB"),
)
COMPANY_FORM = ("Sp. z o.o.", "GmbH", "SARL", "AB", "s.r.o.", "Ltd", "S.A.")
STREETS = ("ul. Długa {}", "Lindenstraße {}", "{} rue des Écoles", "Storgatan {}", "{} Mill Road")

JOBS = (
    "Office manager",
    "Travel coordinator",
    "Prezes zarządu",
    "Geschäftsführerin",
    "HR partner",
    "Teacher",
)
TRIPS = (
    *("Lisbon weekend", "Tatra hiking week", "Kyoto in autumn", "Fjords by ferry", "School trip to Berlin"),
    *("Sales team offsite", "Wine route Alsace", "Christmas market tour", "Iceland ring road"),
)
QUESTIONS = (
    "Czy cena obejmuje bagaż podręczny?",
    "Is breakfast included for the children?",
    "Können wir einen Tag später anreisen?",
    "Bonjour, reste-t-il deux places en mai ?",
    "Can we pay the deposit by bank transfer?",
    "Jag undrar om hotellet har hiss.",
)
ANSWERS = (
    "Yes, I have just added it to the offer.",
    "Tak, wyślę potwierdzenie jeszcze dziś.",
    "Let me ask the hotel and come back to you.",
    "Gern, ich reserviere zwei Zimmer bis Freitag.",
)
TASKS = (
    *("Send the offer", "Check visa rules", "Confirm the rooms", "Collect passport copies"),
    *("Zadzwonić w sprawie zaliczki", "Rechnung stellen", "Ask about dietary needs"),
)
