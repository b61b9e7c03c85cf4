"""How Great Expectations' documents become pages that can be kept: its wording, the house's look, no script, no network.

Its own views load styles, scripts and pictures from five hosts and put a random id and the moment into each page. These
take the same rendered documents through fewer templates. Named by `data_docs` and imported by GX's site builder only.
"""

import re
from typing import Any, ClassVar, Final

from great_expectations.render.view import DefaultJinjaIndexPageView, DefaultJinjaPageView
from jinja2 import ChoiceLoader, DictLoader

from crmbook import pages

_STYLE: Final = """
.badge { font: .85em ui-monospace, "DejaVu Sans Mono", monospace; background: var(--tint); border: 1px solid var(--line);
  border-radius: 4px; padding: 0 .3em; overflow-wrap: anywhere; } td.bad { font-weight: 600; } td.good, td.bad { white-space: nowrap; }
"""
_TEMPLATES: Final = {
    "site_page.j2": """{% for section in sections %}{% set section_loop = loop %}{% include 'section.j2' %}{% endfor %}""",
    "section.j2": """<section>{% for content_block in section["content_blocks"] %}
{% if content_block["content_block_type"] != "collapse" %}{{ content_block | render_content_block(content_block_id="block") }}{% endif %}
{% endfor %}</section>""",
    "header.j2": """{% if content_block.get("header") %}<h2>{{ content_block["header"] | render_content_block }}</h2>{% endif %}
{% if content_block.get("subheader") %}<p>{{ content_block["subheader"] | render_content_block }}</p>{% endif %}""",
    "content_block_header.j2": "",
    "table.j2": """<div class="wide" tabindex="0" role="group" aria-label="results"><table>
{% if content_block.get("header_row") %}<thead><tr>{% for cell in content_block["header_row"] %}<th scope="col">{{ cell | render_content_block }}</th>
{% endfor %}</tr></thead>{% endif %}<tbody>{% for row in content_block["table"] %}<tr>{% for cell in row %}
{% set looks = cell["string_template"].get("styling", {}).get("params", {}).get("icon", {}).get("classes") if cell is mapping and "string_template" in cell %}
{% if looks %}<td class="{{ 'good' if 'text-success' in looks else 'bad' }}">{{ 'passed' if 'text-success' in looks else 'not met' }}</td>
{% else %}<td>{{ cell | render_content_block(content_block_id="cell") }}</td>{% endif %}{% endfor %}</tr>{% endfor %}</tbody></table></div>""",
    "bootstrap_table.j2": """<div class="wide" tabindex="0" role="group" aria-label="suites"><table><thead><tr><th scope="col">suite</th>
<th scope="col">result</th></tr></thead><tbody>{% for row in content_block["table_data"] | sort(attribute="_expectation_suite_name_sort") %}
<tr><td><a href="{{ row["_table_row_link_path"] }}">{{ row["_expectation_suite_name_sort"] }}</a></td>
{% set is_good = row["_validation_success_text"] == "Success" %}<td class="{{ 'good' if is_good else 'bad' }}">{{ 'passed' if is_good else 'not met' }}</td></tr>
{% endfor %}</tbody></table></div>""",
    "tabs.j2": """{% for tab in content_block["tabs"] %}{{ tab["tab_content"] | render_content_block(content_block_id="tab") }}{% endfor %}""",
}
# Tags GX's renderers use for looks alone, links to pages this site doesn't have, and attributes of scripts that are not there.
_DROPPED: Final = re.compile(
    r"</?i\b[^>]*>|</?h[3-6]\b[^>]*>|</?hr\b[^>]*>|<a href=\"[^\"]*expectations/[^\"]*\"[^>]*>([^<]*)</a>"
)
_LOOKS: Final = re.compile(r' (?:style|id|data-[a-z-]+)="[^"]*"| class="(?!badge|good|bad|wide)[^"]*"')
_BADGE: Final = re.compile(r'class="badge[^"]*"')
_BLANKS: Final = re.compile(r"\s+")
_NO_ASSET: Final = "<br> Data asset: None"


class _Offline:
    """A view that finds its templates here before it asks GX, and hands on a page that stands alone."""

    env: Any
    way_back: ClassVar[str] = ""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.env.loader = ChoiceLoader([DictLoader(_TEMPLATES), self.env.loader])

    def render(self, document: Any, template: str | None = None, **named: Any) -> str:
        """*document* as a page; *template* is for the parts GX renders by itself."""
        drawn: str = super().render(document, template or "site_page.j2", **named)  # type: ignore[misc]
        body = _BLANKS.sub(" ", _BADGE.sub('class="badge"', _LOOKS.sub("", _DROPPED.sub(r"\1", drawn))))
        suite = getattr(document, "expectation_suite_name", None)
        title = f"Rules of {suite or 'the run'}"
        content = f"<h1>{title}</h1>{self.way_back}{body.replace(_NO_ASSET, '')}"
        return pages.page(title, content, style=_STYLE, is_plain=True)


class Page(_Offline, DefaultJinjaPageView):  # type: ignore[misc]  # GX tells no types
    """One suite: each rule in Great Expectations' words, whether it held, and of how many rows it did not."""

    way_back: ClassVar[str] = '<p><a href="index.html">All rules of the run</a></p>'


class Index(_Offline, DefaultJinjaIndexPageView):  # type: ignore[misc]  # GX tells no types
    """The suites of the run, each leading to its page."""

    way_back: ClassVar[str] = (
        "<p>Between the phases stand suites of rules, one for each table that goes on. A rule tells what must hold;"
        " a page tells whether it did, in counts and never in values. A critical rule that is not met stops the run; a warning"
        " lets it go on and stands here to be looked at.</p>"
    )
