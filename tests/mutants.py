"""Break the method in one place at a time, and see that its tests and its notebook notice.

    python tests/mutants.py [NAME ...]

Each mutant lives in a copy of the tracked files. It is caught when its unit tests or its notebook
fail; the exit status is 1 where neither does. Takes some eight minutes on one core.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    """A line of the library, what becomes of it, and who must notice."""

    path: str
    line: str
    becomes: str
    tests: str
    notebook: str


MUTANTS = {
    "W inverted": Mutant(
        "tutorial_lib/inpainting/importance.py",
        "missing = F.avg_pool2d(1 - mask,",
        "missing = F.avg_pool2d(mask,",
        "tests/unit/test_importance.py",
        "04_importance_weights",
    ),
    "prior dropped": Mutant(
        "tutorial_lib/inpainting/losses.py",
        "return prior_loss(logits, self.lam, self.form)",
        "return 0 * prior_loss(logits, self.lam, self.form)",
        "tests/unit/test_latent_search.py",
        "07_lambda_explorer",
    ),
    "clip skipped": Mutant(
        "tutorial_lib/inpainting/latent_search.py",
        'if clip == "none":',
        'if clip != "stochastic":',
        "tests/unit/test_latent_search.py",
        "05_searching_the_latent_space",
    ),
    "blend skipped": Mutant(
        "tutorial_lib/inpainting/pipeline.py",
        "    if blend:\n        filled",
        "    if False:\n        filled",
        "tests/unit/test_pipeline.py",
        "06_poisson_blending",
    ),
    "l1 for l2": Mutant(
        "tutorial_lib/inpainting/losses.py",
        'return (difference.abs() if norm == "l1" else difference.square())',
        'return (difference.abs() if norm != "l1" else difference.square())',
        "tests/unit/test_losses.py",
        "05_searching_the_latent_space",
    ),
    "mask polarity flipped": Mutant(
        "tutorial_lib/masks.py",
        "return torch.where(mask > 0, images, torch.full_like(",
        "return torch.where(mask == 0, images, torch.full_like(",
        "tests/unit/test_masks.py",
        "01_the_inpainting_problem",
    ),
    "SSIM window": Mutant(
        "tutorial_lib/evaluation/metrics.py",
        '"sigma": 1.5',
        '"sigma": 3.5',
        "tests/unit/test_metrics.py",
        "10_comparisons",
    ),
    "sides swapped": Mutant(
        "tutorial_lib/teaching/widgets/blind_test.py",
        "chosen = left if button is self.left else right",
        "chosen = right if button is self.left else left",
        "tests/unit/test_blind_test.py",
        "10_comparisons",
    ),
}


def copy_of_the_project(target: Path) -> None:
    """The tracked files, as they are now."""
    command = ["git", "ls-files", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def failures(folder: Path, arguments: list[str]) -> list[str]:
    """What pytest names as failed in the copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = done.stdout.splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(("FAILED", "ERROR"))]


def main(names: list[str]) -> int:
    """Try the mutants; returns the exit status."""
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        copy_of_the_project(copy)
        for name in names or MUTANTS:
            mutant = MUTANTS[name]
            path = copy / mutant.path
            whole = path.read_text(encoding="utf-8")
            path.write_text(whole.replace(mutant.line, mutant.becomes), encoding="utf-8")
            notebook = f"notebooks/{mutant.notebook}.ipynb"
            caught = False
            for arguments in ([mutant.tests], ["--nbval-lax", "--nbval-current-env", notebook]):
                found = failures(copy, arguments)
                caught = caught or bool(found)
                first = f", first {found[0]}" if found else " - not noticed"
                print(f"{name}: {arguments[-1]}: {len(found)} failed{first}", flush=True)
            survivors += not caught
            path.write_text(whole, encoding="utf-8")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
