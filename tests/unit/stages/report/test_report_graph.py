"""The picture of the job graph: layers, order and left-out lines."""

from __future__ import annotations

import networkx

from bayling_study.stages.report.graph import draw, layered, placed, reduced, routed, shortened

EDGES = [("a", "b"), ("b", "c"), ("a", "c"), ("x", "c")]


def test_a_layer_is_the_longest_path_from_a_source() -> None:
    assert layered(networkx.DiGraph(EDGES)) == {"a": 0, "b": 1, "c": 2, "x": 0}


def test_an_edge_that_a_longer_path_implies_is_left_out_and_the_order_stays() -> None:
    graph = reduced(["x"], [*EDGES, ("a", "b"), ("a", "e"), ("a", "d")])
    assert [*graph] == ["a", "b", "c", "x", "e", "d"]
    assert [*graph.edges] == [("a", "b"), ("a", "e"), ("a", "d"), ("b", "c"), ("x", "c")]


def test_long_edges_pass_boxes_on_shared_waypoints() -> None:
    graph = networkx.DiGraph([("a", "b"), ("a", "c"), ("a", "m"), ("m", "b"), ("m", "c")])
    assert {edge for edge in routed(graph).edges if edge[0] != "m"} == {
        ("a", "a past 1"), ("a past 1", "b"), ("a past 1", "c"), ("a", "m"),
    }  # fmt: skip


def test_an_edge_that_closes_a_cycle_is_left_out() -> None:
    graph = reduced(["a", "b"], [("a", "b"), ("b", "a"), ("b", "c")])
    assert [*graph.edges] == [("a", "b"), ("b", "c")]
    assert layered(graph) == {"a": 0, "b": 1, "c": 2}


def test_rows_follow_their_neighbours_so_that_lines_do_not_cross() -> None:
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    graph = networkx.DiGraph()
    graph.add_nodes_from("abcxyz")
    graph.add_edges_from(edges)
    place = placed(graph)
    assert [place[start][1] - place[end][1] for start, end in edges] == [0, 0, 0]


def test_no_two_boxes_share_a_place() -> None:
    assert len(set(placed(networkx.DiGraph(EDGES)).values())) == 4


def test_the_drawing_names_stages_and_short_jobs() -> None:
    svg = draw(["scoring/a-system-with-a-long-name", "report"], [])
    assert "a-system-wit…" in svg
    assert "report" in svg
    assert shortened("short") == "short"
