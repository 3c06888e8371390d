"""Near-duplicates: texts that share most of their shingles (MinHash, then exact Jaccard).

Three steps, each a pure function, so that a set may outgrow a machine: `keys(texts)` gives every
document a few 8-byte keys, `candidates(keys)` pairs documents that share one, and `verify(texts,
pairs)` keeps those whose Jaccard similarity, computed exactly, reaches the threshold. `clusters` does
all three for one set, `nearest` for two.
"""

from prefdata.near.clusters import Clusters, clusters
from prefdata.near.keys import Bands, keys
from prefdata.near.nearest import nearest
from prefdata.near.pairs import candidates
from prefdata.near.shingles import Shingles, folded, shingles
from prefdata.near.verify import THRESHOLD, verify

__all__ = [
    "THRESHOLD",
    "Bands",
    "Clusters",
    "Shingles",
    "candidates",
    "clusters",
    "folded",
    "keys",
    "nearest",
    "shingles",
    "verify",
]
