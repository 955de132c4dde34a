"""The ablations' variants differ in what they say and in nothing else, their figures are those of
the metrics, and a run resumes.
"""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.metrics import peak_signal_noise_ratio

from tutorial_lib import inpaint
from tutorial_lib.evaluation import ablations
from tutorial_lib.evaluation.ablations import (
    MEASURES,
    REFERENCE,
    VARIANTS,
    Variant,
    ablation_table,
    differences,
    fill,
    measure,
    run_ablations,
    verdict,
)
from tutorial_lib.evaluation.results import RESULTS_DIR, load_results
from tutorial_lib.inpainting.latent_search import ADAM
from tutorial_lib.masks import center_mask, make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model

SHORT = replace(ADAM, steps=6)
DATA = {"name": "noise", "split": "test"}


@pytest.fixture(scope="module")
def gan():
    torch.manual_seed(0)
    return uniform_latent_model(
        Generator(4), Discriminator(4, "none"), card={"name": "tiny", "sha256": "0" * 64}
    )


@pytest.fixture(scope="module")
def originals(gan):
    with torch.no_grad():
        return (gan.generator(gan.sample_z(3, torch.Generator().manual_seed(5))) * 20).clamp(-1, 1)


@pytest.fixture
def short(monkeypatch):
    """The same variants with a handful of steps."""
    few = {
        name: replace(
            variant, settings=replace(variant.settings, steps=min(6, variant.settings.steps))
        )
        for name, variant in VARIANTS.items()
    }
    monkeypatch.setattr(ablations, "VARIANTS", few)
    return few


def test_the_questions_of_the_paper_are_all_asked():
    groups = {}
    for name, variant in VARIANTS.items():
        groups.setdefault(variant.group, []).append(name)
    assert {group: len(names) for group, names in groups.items()} == {
        "reference": 1,
        "prior": 6,
        "weights": 4,
        "norm": 1,
        "clipping": 2,
        "blending": 1,
        "restarts": 2,
        "optimizer": 4,
        "pixels": 2,
    }
    assert next(iter(VARIANTS)) == REFERENCE


def test_a_variant_changes_one_thing():
    """But for the presets, each differs from the reference in its own group's fields alone."""
    allowed = {
        "prior": {"lam", "prior"},
        "weights": {"weights", "window"},
        "norm": {"norm"},
        "clipping": {"clip"},
        "blending": {"blend"},
        "restarts": {"restarts"},
        "pixels": {"method"},
        "optimizer": {"method", "optimizer", "learning_rate", "schedule"},
    }
    base = asdict(VARIANTS[REFERENCE])
    for name, variant in VARIANTS.items():
        if name == REFERENCE or name.endswith(("(PAPER)", "(AUTHORS_CODE)")):
            continue
        flat, other = (
            {**values, **values["settings"], "settings": 0, "group": 0}
            for values in (asdict(variant), base)
        )
        changed = {key for key in flat if flat[key] != other[key]}
        assert changed and changed <= allowed[variant.group], name


def test_the_reference_is_what_inpaint_does(gan, originals):
    mask = center_mask()
    generated, completed = fill(Variant("reference", SHORT), originals, mask, gan, progress=False)
    wanted = inpaint(originals, mask, gan, settings=SHORT, progress=False)
    assert torch.equal(generated, wanted.generated) and torch.equal(completed, wanted.completed)


def test_without_blending_the_pixels_are_pasted(gan, originals):
    mask = center_mask()
    generated, completed = fill(
        Variant("blending", SHORT, blend=False), originals, mask, gan, progress=False
    )
    assert torch.equal(completed, torch.where(mask > 0, originals, generated))


@pytest.mark.parametrize("family", ["center", "pattern", "random", "half"])
def test_inverted_weights_count_the_known_neighbors(family):
    mask = make_masks(family, size=16)
    weights = ablations._weights("inverted", mask)[0, 0].numpy()
    known = mask[0, 0].numpy()
    for i in range(16):
        for j in range(16):
            window = known[max(0, i - 3) : i + 4, max(0, j - 3) : j + 4]
            assert weights[i, j] == pytest.approx(known[i, j] * window.mean(), abs=1e-6)
    assert ablations._weights("eq3", mask) is None and torch.equal(
        ablations._weights("none", mask), mask
    )


@pytest.mark.parametrize("name", [name for name in VARIANTS if "restarts" not in name])
def test_no_variant_reads_the_hole_or_changes_what_is_known(gan, originals, short, name):
    mask = make_masks("pattern", 3)
    hidden = torch.where(mask > 0, originals, torch.nan)
    generated, completed = fill(short[name], originals, mask, gan, progress=False)
    again, blind = fill(short[name], hidden, mask, gan, progress=False)
    assert torch.equal(completed, blind) and torch.equal(generated, again)
    known = (mask > 0).expand_as(originals)
    assert torch.equal(completed[known], originals[known]) and completed.abs().max() <= 1


def test_measures_against_scikit_image_and_by_hand(gan, originals):
    mask = center_mask().expand(3, -1, -1, -1)
    completed = torch.where(mask > 0, originals, torch.full_like(originals, 0.25))
    found = measure(completed, completed, originals, mask, gan)
    assert set(found) == set(MEASURES) and all(len(values) == 3 for values in found.values())
    for row in range(3):
        a, b = originals[row].double().numpy(), completed[row].double().numpy()
        assert found["psnr"][row] == pytest.approx(
            peak_signal_noise_ratio(a, b, data_range=2), abs=1e-6
        )
        inside = (slice(None), slice(16, 48), slice(16, 48))
        assert found["hole_psnr"][row] == pytest.approx(
            peak_signal_noise_ratio(a[inside], b[inside], data_range=2), abs=1e-6
        )
    assert found["context"] == [0, 0, 0] and set(found["face"]) <= {0.0, 1.0}


def test_a_run_can_be_interrupted_and_gone_on_with(gan, originals, short, tmp_path, monkeypatch):
    names = ["no prior", "no blending"]
    whole = run_ablations(
        gan, originals, tmp_path / "whole.json", data=DATA, names=names, progress=False
    )
    assert whole["complete"] and list(whole["variants"]) == [REFERENCE, *names]

    def failing(variant, *arguments, **options):
        if variant.group == "blending":
            raise KeyboardInterrupt
        return fill(variant, *arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ablations, "fill", failing)
        run_ablations(
            gan, originals, tmp_path / "parts.json", data=DATA, names=names, progress=False
        )
    half = load_results(tmp_path / "parts.json")
    assert not half["complete"] and list(half["variants"]) == [REFERENCE, "no prior"]
    run_ablations(gan, originals, tmp_path / "parts.json", data=DATA, names=names, progress=False)
    parts, stored = load_results(tmp_path / "parts.json"), load_results(tmp_path / "whole.json")
    for results in (parts, stored):
        for variant in results["variants"].values():
            del variant["seconds"]
    assert parts == stored


def test_other_pictures_weights_or_settings_are_not_mixed(
    gan, originals, short, tmp_path, monkeypatch
):
    path = tmp_path / "a.json"
    run_ablations(gan, originals, path, data=DATA, names=["no prior"], progress=False)
    for changes in ({"data": {"name": "other"}}, {"family": "half"}, {"seed": 1}):
        with pytest.raises(ValueError, match="made from something else"):
            run_ablations(
                gan,
                originals,
                path,
                **({"data": DATA, "names": ["no prior"]} | changes),
                progress=False,
            )
    before = load_results(path)
    changed = dict(short) | {"no prior": replace(short["no prior"], restarts=2)}
    monkeypatch.setattr(ablations, "VARIANTS", changed)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ablations, "fill", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run_ablations(gan, originals, path, data=DATA, names=["no prior"], progress=False)
    assert load_results(path) == before | {"complete": False}
    run_ablations(gan, originals, path, data=DATA, names=["no prior"], progress=False)
    after = load_results(path)
    assert after["complete"] and list(after["variants"]) == [REFERENCE, "no prior"]
    assert after["variants"][REFERENCE] == before["variants"][REFERENCE]
    assert after["variants"]["no prior"]["made_by"]["restarts"] == 2
    with pytest.raises(ValueError, match="unknown variant warp"):
        run_ablations(gan, originals, path, data=DATA, names=["warp"], progress=False)


def test_paired_differences_are_scipy_s(gan, originals, short, tmp_path):
    results = run_ablations(
        gan, originals, tmp_path / "a.json", data=DATA, names=["no blending"], progress=False
    )
    values = {
        name: np.array(stored["measures"]["seam"]) for name, stored in results["variants"].items()
    }
    mean, gap, half = differences(results, "seam")["no blending"]
    wanted = stats.ttest_rel(values["no blending"], values[REFERENCE]).confidence_interval(0.95)
    assert mean == pytest.approx(values["no blending"].mean())
    assert gap - half == pytest.approx(wanted.low) and gap + half == pytest.approx(wanted.high)
    assert differences(results, "seam")[REFERENCE][1:] == (0, 0)
    table = ablation_table(results)
    assert len(table.splitlines()) == 3 and f"{gap:+.4f} ± {half:.4f}" in table
    with pytest.raises(ValueError, match="unknown measure"):
        differences(results, "beauty")
    with pytest.raises(ValueError, match="not among the results"):
        differences(results, "seam", "l2")


@pytest.mark.parametrize(
    "path", sorted(RESULTS_DIR.glob("ablations-*.json")), ids=lambda path: path.stem
)
def test_stored_ablations_are_of_today_s_variants(path):
    results = load_results(path)
    assert results["made_from"]["pictures"] >= 32
    for name, stored in results["variants"].items():
        assert stored["made_by"] == json.loads(json.dumps(asdict(VARIANTS[name]))), name
        assert all(
            len(stored["measures"][measure]) == results["made_from"]["pictures"]
            for measure in MEASURES
        )
    if results["made_from"]["mask"] == "center":
        assert set(results["variants"]) == set(VARIANTS)


@pytest.mark.parametrize(
    ("gap", "half", "word"),
    [
        (0.5, 0.4, "higher"),
        (-0.5, 0.4, "lower"),
        (0.5, 0.5, "not told apart"),
        (-0.1, 0.2, "not told apart"),
        (0.0, 0.0, "not told apart"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(gap, half, word):
    assert verdict(gap, half) == word
