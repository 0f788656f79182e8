import base64
import io
import json
import re

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from ganlib.scrub import scrub


def grey(value):
    """A figure in one shade of grey: its pixels say for which value it was drawn."""
    figure = plt.figure(figsize=(0.4, 0.3), dpi=100)
    figure.patch.set_facecolor((value, value, value))
    return figure


def shade(frame):
    """The value for which a frame was drawn, to one part in 255; all its pixels must agree."""
    pixels = np.asarray(Image.open(io.BytesIO(frame)).convert("L"))
    assert pixels.min() == pixels.max()
    return pixels.max() / 255


def shades(frames):
    return pytest.approx([shade(frame) for frame in frames], abs=1 / 255)


def tags(scrubber):
    page = BeautifulSoup(scrubber.page(), "html.parser")
    return page.find("figure"), page.find("img"), page.find("input"), page.find("output")


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    yield
    assert plt.get_fignums() == []


@pytest.fixture
def live(monkeypatch):
    """A kernel, as far as a slider asks; returns the slider and the image that it shows."""
    boxes = []
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    monkeypatch.setattr(
        ipywidgets, "VBox", lambda *a, box=ipywidgets.VBox, **how: boxes.append(box(*a, **how)) or boxes[-1]
    )

    def show(scrubber):
        bundle = scrubber._repr_mimebundle_()
        view = bundle["application/vnd.jupyter.widget-view+json"]
        assert view == {"version_major": 2, "version_minor": 0, "model_id": boxes[-1].model_id}
        return boxes[-1].children

    return show


# Frames


def test_each_value_has_its_own_frame_in_order():
    values = [0.0, 0.25, 1.0, 0.5]
    assert values == shades(scrub(grey, values).frames)


def test_a_frame_is_what_was_drawn_to_the_last_pixel():
    def noise(value):
        figure = grey(1.0)
        figure.figimage(np.random.Generator(np.random.PCG64(value)).integers(0, 256, (30, 40, 3)).astype(np.uint8))
        return figure

    figure, buffer = noise(1), io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    drawn = np.asarray(Image.open(buffer).convert("RGB"))
    kept = np.asarray(Image.open(io.BytesIO(scrub(noise, [1, 2]).frames[0])).convert("RGB"))
    assert drawn.std() > 50
    assert np.array_equal(kept, drawn)


def test_draw_may_return_axes():
    def axes(value):
        return grey(value).add_axes([0, 0, 1, 1], frameon=False, xticks=[], yticks=[])

    assert scrub(axes, [0.0, 1.0]).frames == scrub(grey, [0.0, 1.0]).frames


def test_figures_of_others_stay_open():
    mine = plt.figure()
    scrub(grey, [0.0, 1.0])
    assert plt.get_fignums() == [mine.number]
    plt.close(mine)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_values_are_refused(values):
    with pytest.raises(ValueError, match=re.escape(f"expected at least two values and the index of one, got {values}")):
        scrub(grey, values)


@pytest.mark.parametrize("start", [2, 17, -3])
def test_a_start_that_is_no_index_is_refused(start):
    with pytest.raises(ValueError, match=rf"expected at least two values and the index of one, .* and {start}"):
        scrub(grey, [0.0, 1.0], start=start)


# The page


def test_the_page_is_one_image_over_one_slider():
    scrubber = scrub(grey, [0.0, 0.4, 1.0], name="noise", caption="What is seen.", start=1)
    figure, image, slider, output = tags(scrubber)
    assert figure["class"] == ["scrub"]
    assert [tag.name for tag in figure.find_all(True)] == ["img", "div", "input", "output", "figcaption"]
    assert image["alt"] == "What is seen. (noise = 0.4)"
    assert shade(base64.b64decode(image["src"].removeprefix("data:image/webp;base64,"))) == pytest.approx(
        0.4, abs=1 / 255
    )
    assert (slider["type"], slider["min"], slider["max"], slider["value"]) == ("range", "0", "2", "1")
    assert (slider["aria-label"], slider["aria-valuetext"]) == ("noise", "noise = 0.4")
    assert output.get_text() == "noise = 0.4"
    assert figure.find("figcaption").get_text() == "What is seen."


def test_the_slider_carries_every_frame_with_its_label_and_text():
    scrubber = scrub(grey, [0.0, 0.4, 1.0], name="a", caption="Seen.")
    labels, texts, sources = zip(*json.loads(tags(scrubber)[2]["data-frames"]), strict=True)
    assert labels == ("a = 0", "a = 0.4", "a = 1")
    assert texts == ("Seen. (a = 0)", "Seen. (a = 0.4)", "Seen. (a = 1)")
    assert [base64.b64decode(source) for source in sources] == scrubber.frames
    assert len(set(sources)) == 3


@pytest.mark.parametrize(("start", "shown"), [(0, 0), (2, 2), (-1, 2), (-3, 0)])
def test_the_first_view_is_the_frame_at_the_start(start, shown):
    scrubber = scrub(grey, [0.0, 0.5, 1.0], start=start)
    _, image, slider, output = tags(scrubber)
    assert slider["value"] == str(shown)
    assert base64.b64decode(image["src"].split(",")[1]) == scrubber.frames[shown]
    assert output.get_text() == scrubber.labels[shown]


def test_the_page_needs_no_script_and_no_id():
    page = scrub(grey, [0.0, 1.0]).page()
    assert not re.search(r"<script|\sid=|https?:", page)


def test_the_same_drawing_gives_the_same_page():
    first, second = (scrub(grey, [0.0, 0.5, 1.0], name="a", caption="Seen.").page() for _ in range(2))
    assert first == second


def test_names_captions_and_values_are_escaped():
    text = """<b>"a" & 'b'</b>"""
    scrubber = scrub(lambda value: grey(len(value) / 100), [text, "other"], name=text, caption=text)
    figure, image, slider, output = tags(scrubber)
    assert figure.find("b") is None
    assert output.get_text() == slider["aria-valuetext"] == f"{text} = {text}"
    assert (slider["aria-label"], figure.find("figcaption").get_text()) == (text, text)
    assert image["alt"] == f"{text} ({text} = {text})"
    assert json.loads(slider["data-frames"])[1][0] == f"{text} = other"


# The text


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0, 3], ["n = 0", "n = 3"]),
        ([0.5, 1e-4, 2.0], ["n = 0.5", "n = 0.0001", "n = 2"]),
        (["a", "b"], ["n = a", "n = b"]),
    ],
)
def test_the_text_names_the_values_and_nothing_else(values, labels):
    scrubber = scrub(lambda value: grey(values.index(value) / 10), values, name="n")
    assert scrubber.labels == labels
    assert repr(scrubber) == f"slider, {len(values)} frames: {', '.join(labels)}"


def test_the_text_is_the_same_for_any_picture():
    one, other = scrub(grey, [0.0, 1.0]), scrub(lambda value: grey(1 - value), [0.0, 1.0])
    assert one.frames != other.frames
    assert repr(one) == repr(other) == "slider, 2 frames: value = 0, value = 1"


@pytest.mark.parametrize("shell", [None, object()])
def test_without_a_kernel_there_is_no_view_of_a_widget(monkeypatch, shell):
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    scrubber = scrub(grey, [0.0, 1.0])
    assert scrubber._repr_mimebundle_() == {"text/plain": repr(scrubber), "text/html": scrubber.page()}


# With a kernel


def test_with_a_kernel_the_page_stays_and_a_widget_joins_it(live):
    scrubber = scrub(grey, [0.0, 0.5, 1.0], start=1)
    slider, image = live(scrubber)
    assert slider.value == 0.5
    assert (image.format, image.value) == ("webp", scrubber.frames[1])
    assert scrubber._repr_mimebundle_()["text/html"] == scrubber.page()
    assert scrubber._repr_mimebundle_()["text/plain"] == repr(scrubber)


def test_moving_the_widget_draws_a_value_in_between(live):
    drawn = []
    scrubber = scrub(lambda value: drawn.append(value) or grey(value), [0.0, 1.0])
    slider, image = live(scrubber)
    slider.value = 0.37
    assert drawn == [0.0, 1.0, pytest.approx(0.37)]
    assert shade(image.value) == pytest.approx(0.37, abs=1 / 255)
    assert image.value not in scrubber.frames
    slider.value = 1.0
    assert image.value == scrubber.frames[1]


def test_moving_the_widget_draws_a_choice(live):
    shades_of = {"dark": 0.1, "light": 0.9}
    scrubber = scrub(lambda name: grey(shades_of[name]), list(shades_of))
    slider, image = live(scrubber)
    slider.value = "light"
    assert image.value == scrubber.frames[1]


@pytest.mark.parametrize(
    ("values", "kind", "limits"),
    [
        ([1, 2, 8], ipywidgets.IntSlider, (1, 8, 1)),
        ([4.0, 0.0, 1.0], ipywidgets.FloatSlider, (0.0, 4.0, 0.02)),
        ([0, 0.5, 2], ipywidgets.FloatSlider, (0, 2, 0.01)),
        (list(np.linspace(0, 1, 3)), ipywidgets.FloatSlider, (0, 1, 0.005)),
    ],
)
def test_numbers_get_a_slider_with_their_limits(live, values, kind, limits):
    slider, _ = live(scrub(lambda value: grey(value / 8), values, name="n", start=-1))
    assert type(slider) is kind
    assert (slider.min, slider.max, slider.step) == pytest.approx(limits)
    assert (slider.value, slider.description, slider.continuous_update) == (values[-1], "n", False)


def test_other_values_get_a_choice(live):
    slider, _ = live(scrub(lambda value: grey(len(value) / 9), ["a", "bb", "ccc"], name="which", start=1))
    assert type(slider) is ipywidgets.SelectionSlider
    assert (slider.options, slider.value, slider.description) == (("a", "bb", "ccc"), "bb", "which")
