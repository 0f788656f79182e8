"""Sphinx extension: the bodies of theorems and exercises get ids of their own; their extensions give all the same."""

from docutils import nodes


def name(app, doctree):
    for body in doctree.findall(nodes.section):
        if body["ids"] in (["proof-content"], ["exercise-content"]):
            body["ids"] = [f"{body.parent['ids'][0]}-content"]


def setup(app):
    app.connect("doctree-read", name)
    return {"parallel_read_safe": True}
