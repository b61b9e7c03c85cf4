"""The demo account's attachments, as its admin collected them: `<entity>/<source id>/<file>` and the bytes.

User.com has no interface for files, so the customer gives a folder. Planted: names beyond ASCII, one name on two records,
the same bytes twice, a file of a merged contact, one of a contact that is left out, one of nobody, and an empty one.
"""

from typing import Final

_SCAN: Final = bytes(range(256)) * 40
MERGED_CONTACT, EXCLUDED_CONTACT, NOBODY = 41236, 41209, 99999

FILES: Final = {
    "contact/41001/passport scan.png": b"\x89PNG\r\n\x1a\n" + _SCAN,
    "contact/41002/passport scan.png": b"\x89PNG\r\n\x1a\n" + _SCAN,
    f"contact/{MERGED_CONTACT}/Übernachtung – Wünsche.txt": "Zimmer mit Blick auf die Ostsee, łóżko małżeńskie.\n".encode(),
    f"contact/{EXCLUDED_CONTACT}/photo.jpg": b"\xff\xd8\xff\xe0" + _SCAN[:700],
    f"contact/{NOBODY}/lost.txt": b"whose is this?\n",
    "company/61001/frame contract.pdf": b"%PDF-1.4\n" + _SCAN * 3,
    "deal/52020/offer (signed).pdf": b"%PDF-1.4\n" + _SCAN[::-1],
    "deal/52020/=cmd.csv": b"name,amount\n=1+1,2\n",
    "deal/52021/empty.txt": b"",
}  # fmt: skip
