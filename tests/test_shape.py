"""The folders are the architecture: imports go one way, and nothing grows too large to be read."""

import statistics

import pytest
import shape

PUBLIC = ("headstart/catalog/", "headstart/workspace.py", "headstart/sklearn.py", "headstart/cli/")
"""What people call: keyword-only arguments are its options."""


def test_no_file_imports_itself_by_way_of_others():
    """Imports inside functions and under TYPE_CHECKING count."""
    assert shape.circles(shape.imports()) == []


def test_a_circle_is_found_wherever_it_is_hidden():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a"}}
    assert shape.circles(graph) == [["b", "c"]]
    assert shape.circles({"a": {"b"}, "b": set()}) == []


@pytest.mark.parametrize(("folder", "count"), shape.modules_a_folder().items())
def test_a_folder_can_be_taken_in_at_a_glance(folder, count):
    assert count <= 20


def test_files_are_pages_and_functions_paragraphs():
    sizes = {name: n for name, n in shape.lengths().items() if not name.endswith("__init__.py")}
    assert 100 <= statistics.median(sizes.values()) <= 200
    assert {name: n for name, n in sizes.items() if n > 400} == {}
    bodies = [function.lines for function in shape.functions()]
    assert statistics.quantiles(bodies, n=10)[-1] <= 20


def test_no_function_takes_more_than_eight_things():
    """But for options by keyword of what people call; click hands options to private functions."""
    for function in filter(lambda one: one.is_public, shape.functions()):
        assert function.parameters <= shape.PARAMETERS, function
        if not function.where.startswith(PUBLIC):
            assert function.parameters + function.keywords <= shape.PARAMETERS, function
