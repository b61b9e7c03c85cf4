"""The migration workbook: from User.com to Freshsales, one customer at a time, with proof."""

import sys

__version__ = "0.1.0"

# jsonschema, which stands behind nbformat, compiles a grammar of international addresses when it is imported: two fifths of
# what a command and each notebook's kernel take to start, for a check nobody here asks for. Where it is missing it does without.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
