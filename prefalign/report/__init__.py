"""A comparison for people: words, a table, charts and one self-contained HTML page."""
