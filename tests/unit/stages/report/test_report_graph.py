"""The picture of the job graph: layers, order and left-out lines."""

from __future__ import annotations

from bayling_study.stages.report.graph import draw, layered, placed, reduced, routed, shortened

EDGES = [("a", "b"), ("b", "c"), ("a", "c"), ("x", "c")]


def test_a_layer_is_the_longest_path_from_a_source() -> None:
    assert layered(["a", "b", "c", "x"], EDGES) == {"a": 0, "b": 1, "c": 2, "x": 0}


def test_an_edge_that_a_longer_path_implies_is_left_out() -> None:
    assert reduced([*EDGES, ("a", "b")]) == [("a", "b"), ("b", "c"), ("x", "c")]


def test_long_edges_pass_boxes_on_shared_waypoints() -> None:
    layers = {"a": 0, "m": 1, "b": 2, "c": 2}
    steps = routed([("a", "b"), ("a", "c"), ("a", "m")], layers)
    assert steps == [("a", "a past 1"), ("a past 1", "b"), ("a past 1", "c"), ("a", "m")]


def test_an_edge_that_closes_a_cycle_is_left_out() -> None:
    assert layered(["a", "b"], [("a", "b"), ("b", "a")]) == {"a": 0, "b": 1}
    assert reduced([("a", "b"), ("b", "a"), ("b", "c")]) == [("a", "b"), ("b", "c")]


def test_rows_follow_their_neighbours_so_that_lines_do_not_cross() -> None:
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    place = placed(["a", "b", "c", "x", "y", "z"], edges)
    assert all(place[start][1] == place[end][1] for start, end in edges)


def test_no_two_boxes_share_a_place() -> None:
    place = placed(["a", "b", "c", "x"], EDGES)
    assert len(set(place.values())) == len(place)


def test_the_drawing_names_stages_and_short_jobs() -> None:
    svg = draw(["scoring/a-system-with-a-long-name", "report"], [])
    assert "a-system-wit…" in svg
    assert "report" in svg
    assert shortened("short") == "short"
