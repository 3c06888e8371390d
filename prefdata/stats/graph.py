"""Preference graphs on integer ids: cycles, and the ranking that fits best (HodgeRank).

An edge points from the preferred node to the other. All prompts are one graph, whose parts do not
touch, so everything here runs once for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Nodes = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]

_PRECISION = 1e-12


class Ranking(NamedTuple):
    """The scores that fit weighted comparisons best.

    Attributes:
        scores: (N,) of the nodes; each connected part has mean 0.
        residuals: (E,) what the scores leave of each edge: its value less the difference of its
            scores. On an edge of value 1, more than 1 says that the ranking contradicts it.
        inconsistency: share of the squared values, weighted, that no ranking explains: 0 for a
            ranking, 1 for a cycle.
    """

    scores: Floats
    residuals: Floats
    inconsistency: float


def strong_components(winners: Nodes, losers: Nodes, nodes: int) -> npt.NDArray[np.int32]:
    """Returns (N,) the strongly connected component of each node.

    Args:
        winners: (E,) node ids, 0 to `nodes` - 1.
        losers: (E,) likewise. An edge lies on a cycle if and only if its ends are of one component.
        nodes: N.
    """
    from scipy.sparse.csgraph import connected_components

    _, labels = connected_components(
        _adjacency(winners, losers, nodes), directed=True, connection="strong"
    )
    return np.asarray(labels, np.int32)


def hodge_rank(
    winners: Nodes, losers: Nodes, values: Floats, weights: Floats, nodes: int
) -> Ranking:
    """Returns the least-squares ranking of all connected parts (Jiang et al., arXiv:0811.1067).

    Minimises Σ w (s_winner - s_loser - y)² by LSQR, whose solution of least norm has mean 0 in each
    connected part.

    Args:
        winners: (E,) node ids, 0 to `nodes` - 1.
        losers: (E,) likewise.
        values: (E,) y, by how much the winner is better.
        weights: (E,) w > 0, comparisons behind the value.
        nodes: N.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import lsqr

    edges = np.arange(len(winners))
    root = np.sqrt(weights)
    matrix = coo_array(
        (
            np.concatenate([root, -root]),
            (np.concatenate([edges, edges]), np.concatenate([winners, losers])),
        ),
        shape=(len(winners), nodes),
    ).tocsr()
    scores = lsqr(matrix, root * values, atol=_PRECISION, btol=_PRECISION)[0]
    residuals = values - (scores[winners] - scores[losers])
    total = float(np.sum(weights * values**2))
    left = float(np.sum(weights * residuals**2))
    return Ranking(scores, residuals, left / total if total else 0.0)


def _adjacency(winners: Nodes, losers: Nodes, nodes: int):  # type: ignore[no-untyped-def]
    from scipy.sparse import coo_array

    ones = np.ones(len(winners), np.int64)
    return coo_array((ones, (winners, losers)), shape=(nodes, nodes)).tocsr()
