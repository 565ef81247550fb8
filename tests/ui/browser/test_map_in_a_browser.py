"""The map in a browser says what NumPy says. Points in a browser without a graphics card cost much:
one lasso is tried each time, all else with the slow tests."""

import csv

import numpy as np
import pytest
from matplotlib.path import Path as Polygon

STAR = [(np.cos(2.4 * n) * 3, np.sin(2.4 * n) * 3) for n in range(25)]
"""It crosses itself, so that the even-odd rule says which parts are within."""


def found_map(shown):
    return shown.workspace.map("net", "pics")


def found_many(shown_many):
    return shown_many.workspace.map("flat", "many")


def until(page, expression, arg=None):
    """Wait for something; Playwright's own way needs an `eval` that the page does not allow."""
    for _ in range(400):
        if page.evaluate(expression, arg):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


def selected(page):
    return np.array(page.evaluate("[...headstartMap.selected()]"))


def legend(page):
    """Of each name, samples and selected."""
    rows = page.locator("[data-part=legend] tbody tr").all()
    told = [row.locator("th, td").all_inner_texts() for row in rows]
    number = [[int(cell.replace(",", "") or 0) for cell in cells[1:]] for cells in told]
    return {cells[0].strip(): tuple(own) for cells, own in zip(told, number, strict=True)}


def box_of(page):
    return page.locator("canvas").bounding_box()


def drag(page, corners):
    """With the mouse, corners in pixels of the canvas."""
    box = box_of(page)
    (left, top), *others = [(box["x"] + x, box["y"] + y) for x, y in corners]
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def places_of(page, corners):
    return page.evaluate(
        "corners => corners.map(([x, y]) => headstartMap.camera.toPlace(x, y))", corners
    )


def within(polygon, coordinates):
    return np.flatnonzero(Polygon(polygon, closed=False).contains_points(coordinates))


def test_a_lasso_by_mouse_selects_what_numpy_finds_and_counts_each_class(look, shown):
    page, found = look().open_map("pics"), found_map(shown)
    page.get_by_text("lasso", exact=True).click()
    corners = [(100, 100), (600, 120), (560, 420), (380, 260), (120, 440)]
    drag(page, [*corners, corners[0]])
    polygon = places_of(page, [*corners, corners[0]])
    expected = within(polygon, found.coordinates.astype(np.float64))
    assert 0 < len(expected) < len(found.samples)
    np.testing.assert_array_equal(selected(page), expected)
    labels = np.array(found.samples.labels)
    names = sorted(set(found.samples.labels))
    counts = {name: int((labels == name).sum()) for name in names}
    own = {name: int((labels[expected] == name).sum()) for name in names}
    assert legend(page) == {name: (counts[name], own[name]) for name in names}


@pytest.mark.slow
def test_a_lasso_selects_the_samples_that_numpy_finds_in_the_polygon(many, shown_many):
    coordinates = found_many(shown_many).coordinates.astype(np.float64)
    rng = np.random.default_rng(1)
    rough = rng.normal(size=(200, 2)) * 3
    for corners in (STAR, rough.tolist(), [(-3, -3), (4, -3), (4, 2), (-3, 2)]):
        flat = [number for corner in corners for number in corner]
        many.evaluate("polygon => headstartMap.select(polygon)", flat)
        expected = within([*corners, corners[0]], coordinates)
        assert 1_000 < len(expected) < 99_000
        np.testing.assert_array_equal(selected(many), expected)


@pytest.mark.slow
def test_a_lasso_by_mouse_counts_each_class_and_shift_and_control_change_it(many, shown_many):
    found = found_many(shown_many)
    labels = np.array(found.samples.labels)
    many.get_by_text("lasso", exact=True).click()
    corners = [(150, 150), (500, 120), (560, 400), (330, 300), (160, 420)]
    drag(many, [*corners, corners[0]])
    rows = selected(many)
    counts = {str(n): int((labels == n).sum()) for n in range(5)}
    own = {str(n): int((labels[rows] == n).sum()) for n in range(5)}
    assert legend(many) == {name: (counts[name], own[name]) for name in counts}
    assert f"{len(rows):,} of 100,000 samples are selected." in many.inner_text(".map-said")
    many.get_by_text("select a box", exact=True).click()
    many.keyboard.down("Control")
    drag(many, [(600, 100), (700, 300)])
    many.keyboard.up("Control")
    box = places_of(many, [(600, 100), (700, 100), (700, 300), (600, 300)])
    more = within([*box, box[0]], found.coordinates.astype(np.float64))
    np.testing.assert_array_equal(selected(many), np.union1d(rows, more))
    many.keyboard.down("Alt")
    drag(many, [(600, 100), (700, 300)])
    many.keyboard.up("Alt")
    np.testing.assert_array_equal(selected(many), np.setdiff1d(rows, more))


@pytest.mark.slow
def test_all_can_be_done_with_keys(many, shown_many):
    found = found_many(shown_many)
    many.get_by_label("move", exact=True).focus()
    many.keyboard.press("Tab")
    assert many.evaluate("document.activeElement.tagName") == "CANVAS"
    for key in ("+", "+", "+", "ArrowRight", "ArrowUp", "s"):
        many.keyboard.press(key)
    assert many.evaluate("headstartMap.camera.zoom") == pytest.approx(1.25**3)
    left, bottom, right, top = many.evaluate("headstartMap.camera.window")
    x, y = found.coordinates.astype(np.float64).T
    inside = np.flatnonzero((x > left) & (x < right) & (y > bottom) & (y < top))
    assert 100 < len(inside) < 100_000
    np.testing.assert_array_equal(selected(many), inside)
    many.keyboard.press("Enter")
    many.wait_for_selector(".map-near li")
    middle = many.evaluate("[headstartMap.camera.x, headstartMap.camera.y]")
    nearest = int(np.hypot(x - middle[0], y - middle[1]).argmin())
    assert many.inner_text("[data-part=sample] h2") == found.samples[nearest].id
    many.locator("canvas").focus()
    many.keyboard.press("Escape")
    assert len(selected(many)) == 0
    many.keyboard.press("0")
    assert many.evaluate("headstartMap.camera.zoom") == 1
    many.locator(".map-class").first.focus()
    many.keyboard.press("Space")
    assert many.locator(".map-class").first.get_attribute("aria-pressed") == "true"


PIXELS = """() => {
  const { scatter, camera, canvas } = headstartMap;
  scatter.draw(camera, 6, 1);
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [90, 60];
  const drawing = copy.getContext("2d");
  drawing.fillStyle = getComputedStyle(canvas.parentElement).backgroundColor;
  drawing.fillRect(0, 0, copy.width, copy.height);
  drawing.drawImage(canvas, 0, 0, copy.width, copy.height);
  return [...drawing.getImageData(0, 0, copy.width, copy.height).data];
}"""


@pytest.mark.slow
def test_a_lost_context_is_drawn_again(look):
    page = look().open_map("pics", draw="webgl")
    page.evaluate("headstartMap.select([-3, -3, 4, -3, 4, 2])")
    before = page.evaluate(PIXELS)
    assert len(set(before)) > 10
    page.evaluate("headstartMap.lost = headstartMap.scatter.gl.getExtension('WEBGL_lose_context')")
    page.evaluate("headstartMap.lost.loseContext()")
    until(page, "headstartMap.scatter.isLost")
    page.evaluate("headstartMap.lost.restoreContext()")
    until(page, "!headstartMap.scatter.isLost")
    assert page.evaluate(PIXELS) == before


@pytest.mark.slow
def test_without_a_card_the_picture_is_that_of_webgl(look):
    seen = []
    for draw in ("webgl", ""):
        page = look().open_map("pics", draw=draw)
        assert page.evaluate("headstartMap.scatter.constructor.name") == (
            "Scatter" if draw else "Raster"
        )
        page.evaluate("headstartMap.select([-9, -9, 0, -9, 0, 9, -9, 9])")
        seen.append(np.array(page.evaluate(PIXELS), float))
    one, other = seen
    assert np.corrcoef(one, other)[0, 1] > 0.9 and np.abs(one - other).mean() < 2


@pytest.mark.slow
def test_a_screen_with_twice_the_pixels_is_drawn_with_them(look):
    page = look(device_scale_factor=2).open_map("pics")
    sizes = page.evaluate(
        "[headstartMap.canvas.width, headstartMap.canvas.clientWidth,"
        " headstartMap.canvas.height, headstartMap.canvas.clientHeight]"
    )
    assert sizes[0] == 2 * sizes[1] and sizes[2] == 2 * sizes[3]


class Fingers:
    """On the map of a phone, from its upper left corner."""

    def __init__(self, page):
        page.locator("canvas").scroll_into_view_if_needed()
        box = box_of(page)
        self._corner, self._client = (box["x"], box["y"]), page.context.new_cdp_session(page)

    def do(self, kind, *places):
        left, top = self._corner
        points = [
            {"x": left + x, "y": top + y, "id": number} for number, (x, y) in enumerate(places)
        ]
        self._client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *places):
        self.do("touchStart", places[0])
        for one in places[1:]:
            self.do("touchMove", one)
        self.do("touchEnd")


@pytest.mark.slow
def test_two_fingers_come_nearer(look):
    page = look(400, has_touch=True).open_map("pics")
    fingers = Fingers(page)
    fingers.do("touchStart", (140, 200), (220, 200))
    fingers.do("touchMove", (100, 200), (260, 200))
    fingers.do("touchEnd")
    assert page.evaluate("headstartMap.camera.zoom") == pytest.approx(2, rel=0.01)


@pytest.mark.slow
def test_a_finger_moves_the_map_and_goes_round_samples(look, shown):
    page = look(400, has_touch=True, is_mobile=True).open_map("pics")
    fingers, where = Fingers(page), "headstartMap.camera.toPixel(0, 0)"
    left, top = page.evaluate(where)
    fingers.drag((100, 100), (150, 120))
    assert page.evaluate(where) == pytest.approx([left + 50, top + 20])
    page.evaluate("headstartMap.camera.fit()")
    page.evaluate("document.querySelector('[name=map-mode][value=lasso]').click()")
    wide, tall = page.evaluate(
        "[headstartMap.canvas.clientWidth, headstartMap.canvas.clientHeight]"
    )
    corners = [(3, 3), (wide - 3, 3), (wide - 3, tall - 3), (3, tall - 3)]
    fingers.drag(*corners)
    assert len(found_map(shown).samples) == 90
    assert page.inner_text("[data-part=said]") == "90 of 90 samples are selected."
    fingers.do("touchStart", corners[0])
    fingers.do("touchMove", corners[1])
    fingers.do("touchStart", corners[1], corners[3])  # a second finger: it was meant otherwise
    fingers.do("touchEnd")
    assert page.inner_text("[data-part=said]") == "90 of 90 samples are selected."
    assert page.evaluate("headstartMap.gestures.pointers.size") == 0


@pytest.mark.slow
def test_what_a_finger_opens_is_brought_into_sight_and_the_map_again(look):
    page = look(400, has_touch=True, is_mobile=True).open_map("pics")
    fingers = Fingers(page)
    at = page.evaluate("headstartMap.camera.toPixel(...headstartMap.places.slice(14, 16))")
    fingers.drag(at)
    page.wait_for_selector(".map-near li")
    top = "document.querySelector('{}').getBoundingClientRect().top"
    panel = top.format("[data-part=sample]")
    until(page, f"{panel} > 0 && {panel} < innerHeight - 50")
    page.get_by_role("button", name="Close").tap()
    until(page, f"{top.format('canvas')} > -1")


@pytest.mark.slow
def test_what_the_map_cannot_write_down_is_said(look):
    one = look()
    page = one.open_map("pics")
    page.get_by_role("button", name="Select what is seen").click()
    page.locator("[data-part=relabel] input[name=label]").fill("blue")
    page.route("**/labels/pics/say", lambda route: route.abort())
    page.get_by_role("button", name="Write it down").click()
    said = "document.querySelector('[data-part=relabel] [role=status]').textContent"
    until(page, f'{said} === "The page\'s server does not answer: try again."')
    assert len(one.errors) == 1 and "ERR_FAILED" in one.errors.pop()


@pytest.mark.slow
def test_a_point_tells_what_it_is_and_what_is_most_similar(look, shown):
    page = look().open_map("pics")
    found = found_map(shown)
    sample = found.samples[7]
    box = box_of(page)
    at = page.evaluate("headstartMap.camera.toPixel(...headstartMap.places.slice(14, 16))")
    page.mouse.move(box["x"] + at[0], box["y"] + at[1])
    page.wait_for_selector("[data-part=tip]:not([hidden])")
    assert sample.id in page.inner_text("[data-part=tip]")
    assert sample.label in page.inner_text("[data-part=tip]")
    until(page, "document.querySelector('[data-part=tip] img').naturalWidth > 0")
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])
    page.wait_for_selector(".map-near li")
    (near,) = shown.workspace.similar("net", "pics", ids=sample.id, count=24)
    told = page.eval_on_selector_all(".map-near .map-go", "all => all.map((one) => one.title)")
    assert told == [match.sample.id for match in near.matches]
    distances = page.locator(".map-near li > span").all_inner_texts()
    assert distances[0].startswith(f"{max(0, 1 - near.matches[0].similarity):.3f}")
    page.locator(".map-near .map-go").first.click()
    until(page, "id => document.querySelector('[data-part=sample] h2').textContent === id", told[0])


@pytest.mark.slow
def test_colours_tell_what_a_head_says(look, shown):
    head = shown.workspace.heads.get("first:1")
    found = found_map(shown)
    view = shown.workspace.features("net", "pics")
    said = dict(zip(view.ids, head.judge.predict(view.to_numpy()), strict=True))
    right = sum(said[one.id] == one.label for one in found.samples)
    page = look().open_map("pics", "split")
    splits = found.samples.split_counts
    assert legend(page) == {name: (splits[name], 0) for name in splits}
    colour = page.locator("[data-part=colour]")
    colour.select_option(label="error of first:1")
    until(page, "headstartMap.column.title === 'error of first:1'")
    assert legend(page) == {"right": (right, 0), "wrong": (90 - right, 0)}
    assert "were seen when the head was trained" in page.inner_text("[data-part=note]")
    colour.select_option(label="confidence of first:1")
    until(page, "headstartMap.column.title === 'confidence of first:1'")
    assert sum(count for count, _ in legend(page).values()) == 90
    assert "colour=confidence" in page.url  # which can be sent to somebody


@pytest.mark.slow
def test_the_selection_is_a_file_for_dataset_correct(look, shown, tmp_path):
    page = look().open_map("pics")
    page.get_by_role("button", name="Select what is seen").click()
    with page.expect_download() as waited:
        page.get_by_role("button", name="Selection as CSV").click()
    waited.value.save_as(tmp_path / "selected.csv")
    rows = list(csv.DictReader((tmp_path / "selected.csv").read_text().splitlines()))
    found = found_map(shown)
    assert [row["id"] for row in rows] == found.samples.ids
    assert [row["label"] for row in rows] == found.samples.labels
    assert {row["new_label"] for row in rows} == {""}


@pytest.mark.slow
def test_all_selected_samples_are_relabelled_at_once(look, shown):
    page = look().open_map("pics")
    found = found_map(shown)
    x, y = found.coordinates.astype(np.float64).T
    middle = np.sort(x)[4:6].mean()
    box = [float(one) for one in (x.min() - 1, y.min() - 1, middle, y.min() - 1)]
    box += [middle, float(y.max() + 1), float(x.min() - 1), float(y.max() + 1)]
    page.evaluate("polygon => headstartMap.select(polygon)", box)
    assert len(selected(page)) == 5
    page.get_by_label("The selected samples are").fill("blue")
    page.get_by_role("button", name="Write it down").click()
    page.wait_for_selector("text=5 are written down to be blue")
    said = shown.workspace.context.corrections.find("pics", ("pending",))
    own = {found.samples[row].id for row in selected(page)}
    assert {one.sample for one in said} >= own
    assert {one.after for one in said if one.sample in own} == {"blue"}
