"""A slider over a figure, that works with and without a kernel.

The built page and a viewer without a kernel get frames drawn beforehand behind a plain HTML slider: no library, no
script tag, nothing to load. A notebook with a kernel, in Jupyter or Colab, gets an ipywidget that also draws the values
in between.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Sequence
from numbers import Real

# Runs in the slider's own oninput attribute: no ids, no <script>.
_STEP = (
    "const d=this.d??=JSON.parse(this.dataset.frames),f=this.closest('figure'),[label,alt,src]=d[this.value];"
    "f.querySelector('img').src='data:image/webp;base64,'+src;f.querySelector('img').alt=alt;"
    "f.querySelector('output').value=label;this.setAttribute('aria-valuetext',label)"
)


class scrub:  # noqa: N801  (a verb, used as one: the value of a cell is what it shows)
    """One figure under a slider.

    Args:
        draw: ``draw(value)`` returns a Matplotlib figure or axes.
        values: what the frames show, in order; numbers get a slider that stops in between when there is a kernel.
        name: what the value is, for the label.
        caption: what is to be seen; with the label it is each frame's alternative text.
        start: index of the frame shown first.

    Raises:
        ValueError: if there are fewer than two values, or ``start`` is not the index of one.
    """

    def __init__(self, draw: Callable, values: Sequence, *, name: str = "value", caption: str = "", start: int = 0):
        self.draw, self.values, self.name, self.caption = draw, list(values), name, caption
        if len(self.values) < 2 or not -len(self.values) <= start < len(self.values):
            raise ValueError(f"expected at least two values and the index of one, got {self.values} and {start}")
        self.start = start % len(self.values)
        self.labels = [f"{name} = {_text(v)}" for v in self.values]
        self.frames = [_webp(draw(v)) for v in self.values]

    def __repr__(self):
        return f"slider, {len(self.values)} frames: {', '.join(self.labels)}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": repr(self), "text/html": self.page(), **self._live()}

    def page(self) -> str:
        """The frames as HTML: one image, so that a viewer that strips scripts still shows one frame."""
        e = html.escape
        alt = [f"{self.caption} ({label})".strip() for label in self.labels]
        sources = [base64.b64encode(frame).decode() for frame in self.frames]
        data = json.dumps(list(zip(self.labels, alt, sources, strict=True)), ensure_ascii=False)
        i, last = self.start, len(self.frames) - 1
        return (
            f'<figure class="scrub"><img alt="{e(alt[i])}" src="data:image/webp;base64,{sources[i]}"'
            ' style="max-width:100%;height:auto">'
            f'<div><input type="range" min="0" max="{last}" value="{i}" aria-label="{e(self.name)}"'
            f' aria-valuetext="{e(self.labels[i])}" oninput="{e(_STEP)}" data-frames="{e(data)}">'
            f" <output>{e(self.labels[i])}</output></div><figcaption>{e(self.caption)}</figcaption></figure>"
        )

    def _live(self):
        """The view of an ipywidget, where a kernel runs one."""
        from IPython import get_ipython

        if get_ipython() is None or not hasattr(get_ipython(), "kernel"):
            return {}
        import ipywidgets as w

        image = w.Image(value=self.frames[self.start], format="webp")
        slider = self._slider(w)
        slider.observe(lambda change: setattr(image, "value", _webp(self.draw(change["new"]))), "value")
        box = w.VBox([slider, image], layout=w.Layout(align_items="flex-start"))
        view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}  # the same in ipywidgets 7 and 8
        return {"application/vnd.jupyter.widget-view+json": view}

    def _slider(self, w):
        value, numbers = self.values[self.start], all(isinstance(v, Real) for v in self.values)
        if not numbers:
            return w.SelectionSlider(options=self.values, value=value, description=self.name)
        low, high = min(self.values), max(self.values)
        whole = all(isinstance(v, int) for v in self.values)
        slider, step = (w.IntSlider, 1) if whole else (w.FloatSlider, (high - low) / 200)
        return slider(min=low, max=high, step=step, value=value, description=self.name, continuous_update=False)


def _text(value):
    return f"{value:g}" if isinstance(value, Real) else str(value)


def _webp(drawn):
    """The figure as lossless WebP, a third of the PNG for lines and points; closed, so that it is not shown twice."""
    import matplotlib.pyplot as plt

    figure, buffer = getattr(drawn, "figure", drawn), io.BytesIO()
    figure.savefig(buffer, format="webp", pil_kwargs={"lossless": True, "method": 6})
    plt.close(figure)
    return buffer.getvalue()
