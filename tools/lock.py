"""Write requirements.lock: the versions that are installed, for every platform and with no local build label."""

import re
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
HEAD = "# Every version that `make` installs. Written by `make lock`; used as constraints, so order does not matter.\n"
PLATFORM = re.compile(r"^(nvidia|cuda|triton)|^(pip|ganlib)==", re.I)  # torch pins its own GPU libraries

freeze = [sys.executable, "-m", "pip", "freeze", "--all", "--exclude-editable"]
lines = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.splitlines()
pins = sorted(
    {re.sub(r"\+.*$", "", line) for line in lines if "==" in line and not PLATFORM.match(line)}, key=str.lower
)
LOCK.write_text(HEAD + "\n".join(pins) + "\n", encoding="utf-8")
print(f"{LOCK.name}: {len(pins)} pins")

conda = LOCK.with_name("environment.yml")
versions = {pin.split("==")[0].lower(): pin for pin in pins}
text = re.sub(
    r"(?m)^(      - )([\w.-]+)==\S+$", lambda m: m[1] + versions[m[2].lower()], conda.read_text(encoding="utf-8")
)
conda.write_text(text, encoding="utf-8")
