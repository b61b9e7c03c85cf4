"""A workbook as bytes that depend on its content only, not on the moment it was made."""

import io
import re
import zipfile
from typing import Final

from openpyxl import Workbook

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def in_bytes(book: Workbook) -> bytes:
    """The workbook without the moment it was made, so that the same content is the same file."""
    raw, made = io.BytesIO(), io.BytesIO()
    book.properties.creator = "crmbook"
    book.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:(\w+)[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return made.getvalue()
