"""Sphinx extension: a page that has a lab gets the labs' script and style, once; other pages get neither."""

from pathlib import Path

from ganlib import labs

FILES = {"labs.js": labs.script, "labs.css": labs.style}


def bring(app, page, template, context, doctree):
    if 'class="ganlab"' in context.get("body", ""):
        script, style = (context["pathto"](f"_static/{name}", 1) for name in FILES)
        context["body"] = f'<link rel="stylesheet" href="{style}">{context["body"]}<script src="{script}"></script>'


def write(app, error):
    if error is None and app.builder.format == "html":
        for name, content in FILES.items():
            (Path(app.outdir) / "_static" / name).write_text(content(), encoding="utf-8")


def setup(app):
    app.connect("html-page-context", bring)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
