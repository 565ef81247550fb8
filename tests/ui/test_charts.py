"""Charts of the page: what is said in them can be read."""

import re

from headstart.ui.charts import Point, draw_scores


def names_in(chart):
    """The side of each name, by the name."""
    found = re.findall(r'text-anchor="(start|end)">([^<]+)</text></a>', chart)
    return {name: side for side, name in found}


def point(name, cost, score, reach=0.03):
    return Point(name, cost, score, (score - reach, score + reach), False, f"/{name}")


def test_a_name_stands_on_the_side_on_which_it_crosses_no_whisker():
    near = [point("lite0@block14_add|gap", 138, 0.760), point("lite0@avg_pool", 158, 0.751)]
    far = point("lite0@block9_add|gap", 88, 0.716)
    assert names_in(draw_scores([*near, far], "ms")) == {
        "lite0@block14_add|gap": "end",
        "lite0@avg_pool": "start",
        "lite0@block9_add|gap": "start",
    }


def test_a_name_does_not_leave_the_chart():
    long = "a" * 30
    points = [point(long, 1000, 0.5), point("cheap", 1, 0.9)]
    assert names_in(draw_scores(points, "ms")) == {long: "end", "cheap": "start"}


def test_names_of_the_same_place_stand_apart():
    chart = draw_scores([point("one", 10, 0.5), point("two", 10, 0.5), point("x", 99, 0.9)], "ms")
    assert {names_in(chart)["one"], names_in(chart)["two"]} == {"start", "end"}
