"""The migration workbook: from User.com to Freshsales, one customer at a time, with proof."""

import sys

__version__ = "0.1.0"

# jsonschema, which stands behind nbformat, imports what checks the form of addresses and durations, one of them a grammar
# it compiles: two fifths of what a command and each notebook's kernel take to start, for checks nobody here asks for.
# Where they are missing it does without.
for _name in ("rfc3987_syntax", "rfc3986_validator", "isoduration"):
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]
