import inspect
import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from matplotlib.colors import to_hex, to_rgb

from ganlib import plots
from ganlib.plots import table

COLOURS = {"real": plots.REAL, "generated": plots.GENERATED, "critic": plots.CRITIC, "neutral": plots.NEUTRAL}
X = torch.tensor([0.5, -1.0, 3.0, 2.5], dtype=torch.float64)
Y = torch.tensor([2.0, 0.3, -0.7, 1.1], dtype=torch.float64)
YS = torch.tensor([[1.0, 5.0, 3.0, 0.2], [2.0, -4.0, 9.0, 0.1], [7.0, 0.5, 6.0, 0.4]], dtype=torch.float64)

each_role = pytest.mark.parametrize("role", COLOURS)


def as_it_is(data):
    return data


DRAW = {
    "curve": lambda ax, role, of=as_it_is, **how: plots.curve(ax, of(X), of(Y), role, **how),
    "density": lambda ax, role, of=as_it_is, **how: plots.density(ax, of(X), of(Y), role, **how),
    "points": lambda ax, role, of=as_it_is, **how: plots.points(ax, of(torch.stack([X, Y], -1)), role, **how),
    "band": lambda ax, role, of=as_it_is, **how: plots.band(ax, of(X), of(YS), role, **how),
}
each_function = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


@pytest.fixture(autouse=True)
def _own_settings():
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.subplots()[1]


def corners(ax):
    """The outline of what is filled, as a set of points."""
    (filled,) = ax.collections
    return {tuple(np.round(point, 9)) for point in filled.get_paths()[0].vertices}


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], channels))


# Data


def test_curve_draws_the_points_it_is_given(ax):
    assert plots.curve(ax, X, Y, "real") is ax
    (line,) = ax.lines
    assert np.array_equal(line.get_xydata(), torch.stack([X, Y], -1).numpy())


def test_density_draws_a_line_over_the_area_down_to_zero(ax):
    assert plots.density(ax, X, Y.abs(), "generated") is ax
    (line,) = ax.lines
    assert np.array_equal(line.get_xydata(), torch.stack([X, Y.abs()], -1).numpy())
    assert corners(ax) == {(x, y) for x in X.tolist() for y in (0.0, *Y.abs()[X == x].tolist())}


def test_points_draws_one_marker_a_point_with_equal_units(ax):
    assert plots.points(ax, torch.stack([X, Y], -1), "critic") is ax
    (cloud,) = ax.collections
    assert np.array_equal(cloud.get_offsets(), torch.stack([X, Y], -1).numpy())
    assert ax.get_aspect() == 1


def test_band_draws_the_median_between_the_least_and_the_greatest_run(ax):
    assert plots.band(ax, X, YS, "neutral") is ax
    (line,) = ax.lines
    medians = [2.0, 0.5, 6.0, 0.2]  # of the columns of YS, by hand
    assert np.array_equal(line.get_xydata(), np.stack([X.numpy(), medians], -1))
    least, greatest = [1.0, -4.0, 3.0, 0.1], [7.0, 5.0, 9.0, 0.4]
    assert corners(ax) == {*zip(X.tolist(), least, strict=True), *zip(X.tolist(), greatest, strict=True)}


def drawn(ax):
    """All data in the axes: points of lines, of clouds and of outlines."""
    return [
        *(line.get_xydata() for line in ax.lines),
        *(collection.get_offsets() for collection in ax.collections),
        *(path.vertices for collection in ax.collections for path in collection.get_paths()),
    ]


OTHER_KINDS = {
    "gradient": lambda t: t.clone().requires_grad_(),
    "array": torch.Tensor.numpy,
    "list": torch.Tensor.tolist,
}


@pytest.mark.parametrize("kind", OTHER_KINDS.values(), ids=OTHER_KINDS)
@each_function
def test_a_function_takes_tensors_with_gradients_arrays_and_lists(ax, draw, kind):
    draw(ax, "real")
    expected, actual = drawn(ax), drawn(draw(plt.subplots()[1], "real", of=kind))
    assert len(actual) == len(expected) > 0
    assert all(map(np.array_equal, actual, expected))


@each_role
@each_function
def test_a_function_draws_in_the_colour_of_the_role(ax, draw, role):
    draw(ax, role)
    colours = [line.get_color() for line in ax.lines]
    colours += [collection.get_facecolor()[0, :3] for collection in ax.collections if len(collection.get_facecolor())]
    assert {to_hex(colour) for colour in colours} == {COLOURS[role]}


@each_function
def test_a_label_stands_in_the_legend_once(ax, draw):
    draw(ax, "real", label="named")
    draw(ax, "generated")
    assert ax.get_legend_handles_labels()[1] == ["named"]


def test_how_a_thing_is_drawn_may_be_changed(ax):
    plots.curve(ax, X, Y, "real", color="black", linestyle=":", linewidth=7)
    plots.points(ax, torch.stack([X, Y], -1), "real", s=81)
    assert (ax.lines[0].get_color(), ax.lines[0].get_linestyle(), ax.lines[0].get_linewidth()) == ("black", ":", 7)
    assert ax.collections[0].get_sizes() == [81]


@each_function
def test_an_unknown_role_is_refused(ax, draw):
    with pytest.raises(ValueError, match="expected a role of real, generated, critic, neutral, got 'fake'"):
        draw(ax, "fake")
    assert not ax.lines


# Roles


def dashes(role):
    """How a line of the role is broken, in points: all it has to be told by in grey print."""
    line = plots.curve(plt.subplots()[1], X, Y, role).lines[0]
    return line._dash_pattern


def marker(role):
    path = plots.points(plt.subplots()[1], torch.stack([X, Y], -1), role).collections[0].get_paths()[0]
    return path.vertices.tolist()


def test_every_role_is_tested():
    assert set(COLOURS) == set(plots._ROLES)


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(COLOURS, 2)])
def test_two_roles_differ_in_colour_line_and_marker(one, other):
    distance = np.linalg.norm(np.subtract(to_rgb(COLOURS[one]), to_rgb(COLOURS[other])))
    assert distance > 0.2
    assert dashes(one) != dashes(other)
    assert marker(one) != marker(other)


@each_role
def test_a_role_stands_out_from_white_paper(role):
    assert 1.05 / (luminance(COLOURS[role]) + 0.05) >= 3


def test_luminance_is_that_of_the_definition():
    assert luminance("white") == pytest.approx(1)
    assert luminance("#767676") == pytest.approx(1.05 / 4.54 - 0.05, abs=1e-3)  # the lightest grey of contrast 4.5


# The look


def test_use_sets_the_look_and_a_second_call_changes_nothing():
    mpl.rcdefaults()
    before = dict(mpl.rcParams)
    plots.use()
    once = dict(mpl.rcParams)
    plots.use()
    assert dict(mpl.rcParams) == once != before
    assert not mpl.rcParams["axes.spines.top"]
    assert mpl.rcParams["figure.facecolor"] == "white"


@pytest.mark.parametrize(("n", "rows", "shape"), [(1, 1, ()), (3, 1, (3,)), (2, 2, (2, 2)), (1, 3, (3,))])
def test_panels_gives_axes_of_the_shape_asked_for(n, rows, shape):
    axes = plots.panels(n, rows=rows, height=2.5, width=5.0, sharex=True)
    assert np.shape(axes) == shape
    (figure,) = {ax.figure for ax in np.ravel(axes)}
    assert tuple(figure.get_size_inches()) == (5.0, 2.5)
    assert len(figure.axes) == n * rows


def test_panels_are_no_wider_than_a_page():
    assert inspect.signature(plots.panels).parameters["width"].default <= 7
    assert plots.panels().figure.get_size_inches()[0] == inspect.signature(plots.panels).parameters["width"].default


# Tables


def cells(shown):
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    return [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in page.find_all("tr")]


def test_a_table_shows_its_cells_with_three_digits():
    shown = table({"one": [1.23456, "text"], "two": [torch.tensor(1e-7), 1234567]}, ["a", "b"], caption="Seen.")
    assert cells(shown) == [["", "a", "b"], ["one", "1.23", "text"], ["two", "1e-07", "1.23e+06"]]
    assert BeautifulSoup(shown._repr_html_(), "html.parser").caption.get_text() == "Seen."


def test_a_table_names_its_rows_and_columns_for_a_screen_reader():
    page = BeautifulSoup(table({"one": [1, 2]}, ["a", "b"])._repr_html_(), "html.parser")
    assert [tag.get_text() for tag in page.select("th[scope=col]")] == ["a", "b"]
    assert [tag.get_text() for tag in page.select("th[scope=row]")] == ["one"]


def test_the_text_of_a_table_names_rows_and_columns_only():
    one = table({"first": [1.2345], "second": [2.3456]}, ["score"], caption="9 seeds")
    other = table({"first": [7.1], "second": ["8.2 ± 1"]}, ["score"], caption="8 seeds")
    assert repr(one) == repr(other) == "table, rows: first, second; columns: score"
    assert one._repr_html_() != other._repr_html_()


def test_names_cells_and_captions_are_escaped():
    text = """<b>"a" & 'b'</b>"""
    shown = table({text: [text]}, [text], caption=text)
    page = BeautifulSoup(shown._repr_html_(), "html.parser")
    assert page.find("b") is None
    assert cells(shown) == [["", text], [text, text]]
    assert page.caption.get_text() == text


@pytest.mark.parametrize("rows", [{}, {"one": [1]}, {"one": [1, 2], "two": [1, 2, 3]}, {"one": []}])
def test_a_row_without_one_cell_a_column_is_refused(rows):
    with pytest.raises(ValueError, match="expected rows of 2 cells, got"):
        table(rows, ["a", "b"])
