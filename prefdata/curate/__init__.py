"""Frame to frame: what is kept, what is removed, and why; nothing is changed in a row.

A plan (`prefdata.curate.plan`) is a list of steps (`prefdata.curate.steps`), and `run.curate` applies
it to a frame: first `side_car` takes the few bytes of each pair that the steps decide by, then `judge`
decides. Where a set outgrows a machine, `prefdata.distributed.curation` does the same in functions of
Arrow tables.
"""
