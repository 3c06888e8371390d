"""Frame to frame: what is kept, what is removed, and why; nothing is changed in a row.

A plan (`prefdata.curate.plan`) is a list of steps (`prefdata.curate.steps`), and `run.curate` applies
it to a frame. Where a set outgrows a machine, the same happens in three functions of Arrow tables
(`prefdata.curate.batches`), pure and picklable:

    keys(table, plan) -> table         a few bytes a pair; any batch of rows at a time
    resolve(keys, plan) -> table       one column, `reason`, null where a pair stays; all rows at once
    apply(table, reasons) -> table     the pairs that stay; any batch with its reasons

Row i of each answer is about row i of the first table. `keys` and `apply` go to `map_batches` of Ray
Data, to Daft or to Spark's `mapInArrow`; `resolve` needs about 100 bytes a pair in one place. Only two
steps decide by whole texts: `dedup` with `how: near`, and `fix` with a rule that looks across pairs
(other than duplicate-pair).
"""
