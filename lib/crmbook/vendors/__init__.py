"""The two vendors' APIs as plain records; nothing here knows of phases or tables."""
