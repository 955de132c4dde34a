"""Sphinx's settings for the web edition; `docs/build.py` calls Sphinx with them."""

import re

from docutils import nodes
from latex2mathml.converter import convert

import tutorial_lib

project = "Semantic image inpainting"
author = "The semantic inpainting workbook contributors"
copyright = f"{author}, MIT licence"
version = release = tutorial_lib.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns: list[str] = []
default_role = "py:obj"  # `name` in a docstring: a link where that is possible, else code

# ---- notebooks: what is stored is shown, nothing runs --------------------------------------------

nb_execution_mode = "off"
nb_merge_streams = True
nb_output_stderr = "remove"
nb_code_prompt_show = "Show the check"
nb_code_prompt_hide = "Hide the check"
myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 3

# ---- API pages -----------------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "set"}  # matplotlib's, which it writes anew
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 78
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# ---- looks ---------------------------------------------------------------------------------------

html_theme = "furo"
html_title = "Semantic image inpainting"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_search_summary = False  # it would read other pages, which browsers forbid on a disk
html_math_renderer = "mathml"
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"


def mathml(latex: str, display: str) -> str:
    """LaTeX as MathML, which browsers draw without a script or a font of ours."""
    text = convert(latex.replace(r"\arg", r"\operatorname{arg}"), display=display)
    # A brace is only drawn in full with a mathematical font; a line from the style sheet always is.
    brace = r"<munder><munder>(.*?)<mo>&#x23DF;</mo></munder>(.*?)</munder>"
    text = re.sub(brace, r'<munder><mrow class="braced">\1</mrow>\2</munder>', text)
    if display == "block":  # z stands below "min"
        text = re.sub(r"<msub>(<mo>(?:min|max)</mo>.*?)</msub>", r"<munder>\1</munder>", text)
    return text


def visit_math(writer, node):
    """A formula in a line."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_math_block(writer, node):
    """A formula by itself; it scrolls where it is wider than the page."""
    formula = mathml(node.astext(), "block")
    writer.body.append(f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def readable(app, what, name, obj, options, lines):
    """Docstrings stay as one reads them in an editor: |x| is no macro, a table is no paragraph."""
    for number, line in enumerate(lines):
        if "`" not in line:
            lines[number] = line.replace("|", r"\|")
        if line.startswith("Attributes ("):
            lines[number : number + 1] = [f"{line}::", ""]


def setup(app):
    """Formulas are made when the site is."""
    app.connect("autodoc-process-docstring", readable)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
