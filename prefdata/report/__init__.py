"""One page about a set of pairs: measured once, kept as `report.json`, drawn from nothing else.

    evidence, findings --collect--> Report --render--> HTML

`Report` holds every number and every text of the page, so that the page can be made again from the
JSON, and both can be tested alone.
"""
