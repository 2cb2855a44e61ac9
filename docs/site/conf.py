"""Sphinx's configuration. docs/site/staging.py writes the sources; the release comes from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
# For autodoc: the packages of the checkout.
sys.path.insert(0, str(HERE.parents[1]))

project = "jupyter-mcp"
author = "the jupyter-mcp contributors"
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "index"
myst_heading_anchors = 4
# A page is one that the code host shows too; no syntax that it would not show is turned on.
myst_enable_extensions: list[str] = []
# What follows from a type's name is not documented here for packages of others.
nitpick_ignore_regex = [("py:.*", ".*")]
# What runs images asks them over MCP; its client is not among the tools, and not needed to read docstrings.
autodoc_mock_imports = ["fastmcp", "mcp", "mcp_types"]
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
pygments_style = "tango"
pygments_dark_style = "monokai"
html_theme = "furo"
html_title = "jupyter-mcp"
html_static_path = ["theme"]
html_css_files = ["site.css"]
# Beside the folder of this version; a site that lies alone has none.
html_js_files = ["versions.js"]
# The Markdown of each page, for those who read it by program (llms.txt).
html_copy_source = True
html_show_sourcelink = True
html_sourcelink_suffix = ""
html_last_updated_fmt = None
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "sidebar_hide_name": False,
    "light_css_variables": {"color-brand-primary": "#0b5fa5", "color-brand-content": "#0b5fa5"},
    "dark_css_variables": {"color-brand-primary": "#7cc0ff", "color-brand-content": "#7cc0ff"},
}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "versions.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
templates_path = ["theme"]
copybutton_exclude = ".linenos, .gp, .go"
