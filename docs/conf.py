"""How Sphinx builds these pages: `make docs`. TensorFlow is not loaded."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))
for part in ("common", "client", "generator", "trainer", "serving"):
    sys.path.insert(0, str(REPOSITORY / part))

project = "synthseg-serving"
author = "The synthseg-serving developers"
project_copyright = author
release = version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "exported_names",
    "help_texts",
    "included_readmes",
    "module_list",
    "settings_table",
]
exclude_patterns = ["_build"]
nitpicky = False

# Headings are targets of links, as on code hosts: `page.md#a-heading`.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]

# What importing the exported names would load at length, and no page shows.
autodoc_mock_imports = ["tensorflow", "tensorflow_serving", "keras"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Docstrings write names in single backticks.
default_role = "code"

# "--option" stays as it is typed.
smartquotes = False

html_theme = "furo"
html_title = f"synthseg-serving {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["wide.css"]
# The prompts of shells and Python are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
