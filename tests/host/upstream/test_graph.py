"""The stand-in for dgl, on a graph small enough to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.host.upstream.graph import module

dgl = module()


@pytest.fixture
def graph():
    made = dgl.graph((torch.tensor([0, 1, 1, 3]), torch.tensor([1, 0, 0, 2])))
    made.edata["relation"] = torch.tensor([5, 6, 6, 7])
    return made


def test_the_matrix_counts_edges_from_row_to_column(graph) -> None:
    """A transposed adjacency matrix propagates from entities to the wrong neighbours."""
    dense = graph.adjacency_matrix(scipy_fmt="csr").toarray()
    expected = np.zeros((4, 4))
    expected[0, 1], expected[1, 0], expected[3, 2] = 1, 2, 1
    assert np.array_equal(dense, expected)
    assert np.array_equal(graph.adjacency_matrix(transpose=True, scipy_fmt="coo").toarray(), expected.T)


def test_a_subgraph_of_edges_keeps_all_nodes_and_their_data(graph) -> None:
    """KGAT weighs one relation after the other: nodes that are numbered anew mix up the entities."""
    edges = graph.filter_edges(lambda e: e.data["relation"] == 6)
    assert edges.tolist() == [1, 2]
    part = dgl.edge_subgraph(graph, edges, preserve_nodes=True)
    assert part.adjacency_matrix().shape == (4, 4)
    assert part.edata["relation"].tolist() == [6, 6]
    assert part.adjacency_matrix().toarray()[1, 0] == 2


def test_numbering_nodes_anew_is_refused(graph) -> None:
    """It would look like dgl and give another graph."""
    with pytest.raises(NotImplementedError, match="keeps all nodes"):
        dgl.edge_subgraph(graph, torch.tensor([0]), preserve_nodes=False)
