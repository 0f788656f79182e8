"""What to install, from pyproject.toml: `requirements.py book` or `requirements.py run`, one requirement a line."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
wanted = {
    "book": project["dependency-groups"]["book"],
    "run": [
        *project["dependency-groups"]["book"],
        *project["project"]["dependencies"],
        *project["dependency-groups"]["test"],
    ],
}
print("\n".join(wanted[sys.argv[1]]))
