"""The migration workbook: from User.com to Freshsales, one customer at a time, with proof."""

__version__ = "0.1.0"
