"""Claim: `import tutorial_lib` takes under 2 s, `load_gan` under 0.3 s.

The first picture is filled a few seconds after the start. Each is timed in a new process, several
times over, and set against importing torch alone. Moves of sliders are in sliders.py. Run: python
benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys

from measure import store

ROUNDS = 5
LIMITS = {"import tutorial_lib": 2.0, "load_gan": 0.3}
SCRIPTS = {
    "import torch": ("", "import torch"),
    "import tutorial_lib": ("", "import tutorial_lib"),
    "load_gan": ("from tutorial_lib import load_gan", "load_gan('synthetic-faces', 'cpu')"),
    "first picture filled": (
        "from tutorial_lib import inpaint, load_gan, load_dataset\n"
        "from tutorial_lib.masks import center_mask\n"
        "gan = load_gan('portraits', 'cpu')\n"
        "face = load_dataset('two-portraits', limit=1).images([0])",
        "inpaint(face, center_mask(), gan, progress=False)",
    ),
}


def seconds(before: str, timed: str) -> float:
    """Seconds of `timed` in a new process in which `before` was run."""
    start, end = "start = time.perf_counter()", "print(time.perf_counter() - start)"
    command = [sys.executable, "-c", "\n".join(["import time", before, start, timed, end])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    for script in SCRIPTS.values():
        seconds(*script)  # files come off the disk once
    rounds = [
        {name: round(seconds(*script), 3) for name, script in SCRIPTS.items()}
        for _ in range(ROUNDS)
    ]
    figures = {name: sorted(each[name] for each in rounds) for name in SCRIPTS}
    for name, values in figures.items():
        limit = f", the limit is {LIMITS[name]} s" if name in LIMITS else ""
        spread = f"{values[0]:.2f} to {values[-1]:.2f}"
        print(f"{name:21s} median {statistics.median(values):.2f} s ({spread}){limit}")
    ratios = sorted(round(each["import tutorial_lib"] / each["import torch"], 2) for each in rounds)
    print(
        f"import tutorial_lib takes {statistics.median(ratios):.2f} times as long as "
        f"import torch alone ({ratios[0]} to {ratios[-1]})"
    )
    found = {"limits": LIMITS, "seconds": figures, "import_over_torch": ratios}
    print("wrote", store("startup", found).name)


if __name__ == "__main__":
    main()
