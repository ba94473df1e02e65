"""Print the requirements of pyproject.toml, and of the extras named, one a line.

pip can install extras only together with a project, and this project is run from its folder.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
for group in (project["dependencies"], *(project["optional-dependencies"][extra] for extra in sys.argv[1:])):
    print(*group, sep="\n")
