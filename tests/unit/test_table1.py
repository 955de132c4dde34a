"""Table 1: every method meets the same holes, the figures are those of the metrics, and a stopped
run goes on as if it had not been.
"""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tutorial_lib import cli, inpaint
from tutorial_lib.baselines import BASELINES, fill_with
from tutorial_lib.datasets import load_dataset
from tutorial_lib.datasets.base import ArrayImages
from tutorial_lib.device import seeded_generator
from tutorial_lib.evaluation import table1
from tutorial_lib.evaluation.frechet import Judge, classifier_features
from tutorial_lib.evaluation.metrics import SSIM_OF_WANG
from tutorial_lib.evaluation.results import load_results
from tutorial_lib.evaluation.table1 import (
    METHODS,
    PAPER_TABLE,
    SAMPLERS,
    USUAL,
    Models,
    against_paper,
    fill_rows,
    made_by,
    paired,
    paper_table_text,
    run_table,
    summary,
    table_masks,
    table_text,
)
from tutorial_lib.evaluation.two_sample import two_sample_auc
from tutorial_lib.images import to_float, to_uint8
from tutorial_lib.inpainting.diffusion import dps, repaint
from tutorial_lib.inpainting.latent_search import DEFAULT, PAPER
from tutorial_lib.inpainting.pipeline import fill_hole
from tutorial_lib.masks import FAMILIES, corrupt
from tutorial_lib.models.attributes import AttributeClassifier, heads_of
from tutorial_lib.models.context_encoder import ContextEncoder
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.diffusion import Denoiser
from tutorial_lib.models.latent_model import uniform_latent_model
from tutorial_lib.models.weights import (
    file_hash,
    save_gan,
    save_network,
)

PAPER_TEXT = ROOT.parent / "shared" / "paper" / "semantic-image-inpainting.txt"
DATA = {"name": "noise", "split": "test"}
QUICK = [
    "corrupted",
    "context-encoder",
    "context-encoder-blended",
    "ours",
    "ours, PAPER",
    "mean",
    "nearest-neighbor",
    "repaint",
    "dps",
]


@pytest.fixture(scope="module")
def originals():
    return (
        torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(5))
        .repeat_interleave(8, 2)
        .repeat_interleave(8, 3)
        * 2
        - 1
    )


@pytest.fixture(scope="module")
def models(originals):
    torch.manual_seed(0)
    return Models(
        gan=uniform_latent_model(
            Generator(4), Discriminator(4, "none"), card={"name": "tiny", "sha256": "0" * 64}
        ),
        context_encoder=ContextEncoder(4).eval(),
        context_encoder_card={"name": "painter", "sha256": "1" * 64},
        denoiser=Denoiser(8).eval(),
        denoiser_card={"name": "denoiser", "sha256": "2" * 64},
        training=ArrayImages(to_uint8(originals.flip(0).roll(3, 2)), "noise"),
    )


@pytest.fixture
def short(monkeypatch):
    """The same methods with a few steps, parts of two pictures, and the slow ones on three."""
    few = {
        name: replace(
            method,
            settings=method.settings and replace(method.settings, steps=6),
            at_most=method.at_most and 3,
        )
        for name, method in METHODS.items()
    }
    monkeypatch.setattr(table1, "METHODS", few)
    monkeypatch.setattr(table1, "PART", 2)
    for name, fill in SAMPLERS.items():
        monkeypatch.setitem(table1.SAMPLERS, name, partial(fill, steps=4))


def run(originals, models, folder, name="t", **changes):
    options = {
        "data": DATA,
        "methods": QUICK,
        "families": ("center", "random"),
        "progress": False,
    } | changes
    return run_table(originals, models, folder / f"{name}.json", folder / name, **options)


# -- what is compared --


def test_every_system_of_the_paper_is_there():
    painters = {"context-encoder", "context-encoder-blended"}
    assert set(USUAL) == {"corrupted", "ours", "ours, PAPER"} | painters | set(BASELINES)
    assert set(METHODS) == {*USUAL, "repaint", "dps"}
    assert (
        METHODS["ours"].settings == DEFAULT
        and METHODS["ours"].at_most is METHODS["context-encoder"].at_most is None
    )
    assert METHODS["ours, PAPER"].settings == PAPER and METHODS["ours, PAPER"].at_most == 32


def test_the_paper_s_figures_are_the_paper_s():
    if not PAPER_TEXT.is_file():
        pytest.skip("no ../shared: the paper's text is not there")
    text = PAPER_TEXT.read_text(encoding="utf-8").lower()
    for family, row in PAPER_TABLE.items():
        line = next(line for line in text.splitlines() if line.startswith(f"{family}\t"))
        assert [tuple(map(float, cell.split("/"))) for cell in line.split("\t")[1:]] == list(
            row.values()
        )


@given(st.sampled_from(FAMILIES), st.integers(1, 6), st.integers(0, 99))
def test_masks_of_a_row_do_not_depend_on_the_count(family, count, seed):
    masks = table_masks(family, count, seed)
    assert torch.equal(masks, table_masks(family, 7, seed)[:count]) and masks.shape == (
        count,
        1,
        64,
        64,
    )
    if family in ("pattern", "random"):
        assert not torch.equal(masks, table_masks(family, count, seed + 1))


@pytest.mark.parametrize("name", QUICK)
def test_a_row_s_completion_does_not_depend_on_the_others(name, originals, models, short):
    masks = table_masks("half", len(originals))
    together, context = fill_rows(name, originals, masks, [0, 2, 4], models, progress=False)
    alone, alone_context = fill_rows(name, originals, masks, [4], models, progress=False)
    torch.testing.assert_close(together[2:], alone, atol=2e-3, rtol=0)
    assert (context is None) == (not name.startswith("ours")) == (alone_context is None)
    assert (
        torch.equal(together * masks[[0, 2, 4]], originals[[0, 2, 4]] * masks[[0, 2, 4]])
        or name == "context-encoder"
    )


@pytest.mark.parametrize("name", QUICK)
def test_no_method_reads_the_hole(name, originals, models, short):
    masks = table_masks("center", len(originals))
    other = torch.where(masks > 0, originals, originals.roll(1, 0))
    first, second = (
        fill_rows(name, pictures, masks, [1, 3], models, progress=False)[0]
        for pictures in (originals, other)
    )
    assert torch.equal(first, second)


def test_the_methods_are_the_library_s_own(originals, models, short):
    masks = table_masks("half", len(originals))
    y = corrupt(originals, masks)[1:2]
    ours, context = fill_rows("ours", originals, masks, [0], models, progress=False)
    wanted = inpaint(
        originals[:1], masks[:1], models.gan, settings=replace(DEFAULT, steps=6), seed=0
    )
    torch.testing.assert_close(ours, wanted.completed.cpu(), atol=1e-4, rtol=0)
    assert context.shape == (1,)
    painted, _ = fill_rows("context-encoder", originals, masks, [1], models)
    torch.testing.assert_close(painted, models.context_encoder.paint(y, masks[1:2])[1])
    generated, _ = models.context_encoder.paint(y, masks[1:2])
    blended, _ = fill_rows("context-encoder-blended", originals, masks, [1], models)
    torch.testing.assert_close(blended, fill_hole(generated, y, masks[1:2]))
    total, _ = fill_rows("total-variation", originals, masks, [1], models)
    torch.testing.assert_close(total, fill_with("total-variation", y, masks[1:2]))
    assert torch.equal(fill_rows("corrupted", originals, masks, [1], models)[0], y)
    noise = seeded_generator(7, 2).initial_seed()
    for name, fill in (("repaint", repaint), ("dps", dps)):
        made, _ = fill_rows(name, originals, masks, [1], models, seed=7, progress=False)
        wanted = fill(y, masks[1:2], models.denoiser, steps=4, seed=noise, progress=False)
        assert torch.equal(made, wanted)


@pytest.mark.parametrize(
    ("name", "missing", "said"),
    [
        ("ours", "gan", "needs a generator"),
        ("context-encoder", "context_encoder", "needs a Context Encoder"),
        ("nearest-neighbor", "training", "training set"),
        ("repaint", "denoiser", "needs a denoiser"),
    ],
)
def test_a_method_without_its_model_is_refused_before_anything_is_filled(
    name, missing, said, originals, models, tmp_path
):
    with pytest.raises(ValueError, match=said):
        run(originals, replace(models, **{missing: None}), tmp_path, methods=["mean", name])
    assert not list(tmp_path.rglob("*.npz"))


def test_what_made_a_cell_names_weights_and_settings(models):
    assert (
        made_by("ours", models)["weights_sha256"] == "0" * 64
        and made_by("ours", models)["settings"]["steps"] == DEFAULT.steps
    )
    assert made_by("dps", models)["weights_sha256"] == "2" * 64
    assert made_by("context-encoder", models)["weights"] == "painter" and "weights" not in made_by(
        "biharmonic", models
    )
    low_rank = made_by("truncated-nuclear-norm", models)["options"]
    assert low_rank["rank"] == 0 and low_rank["subtract_mean"] is True
    assert made_by("nearest-neighbor-blended", models)["options"] == {"blend": True}
    assert made_by("dps", models)["options"] == {"steps": 100, "zeta": 1.0}
    assert not any("options" in made_by(name, models) for name in ("mean", "biharmonic", "ours"))


# -- the run --


def test_the_figures_are_scikit_image_s(originals, models, short, tmp_path):
    results = run(originals, models, tmp_path)
    assert results["complete"] and results["made_from"]["data"] == DATA
    for family in ("center", "random"):
        masks = table_masks(family, len(originals))
        cell = results["variants"][f"{family}, ours"]
        assert cell["rows"] == [0, 1, 2, 3, 4] and len(cell["measures"]["context"]) == 5
        completed = np.concatenate(
            [
                np.load(path)["pixels"]
                for path in sorted((tmp_path / "t" / f"{family}-ours").glob("*.npz"))
            ]
        )
        for row, (mine, truth) in enumerate(zip(completed, to_uint8(originals), strict=True)):
            assert cell["measures"]["psnr"][row] == pytest.approx(
                peak_signal_noise_ratio(truth, mine), abs=0.01
            )
            hole = masks[row, 0].numpy() == 0
            error = np.square((mine.astype(float) - truth)[hole]).mean()
            assert cell["measures"]["hole_psnr"][row] == pytest.approx(
                10 * np.log10(255**2 / error), abs=0.01
            )
            expected = structural_similarity(truth, mine, channel_axis=2, **SSIM_OF_WANG)
            assert cell["measures"]["ssim"][row] == pytest.approx(expected, abs=0.01)


def test_twenty_pictures_are_enough_to_ask_whether_completions_look_real(
    originals, models, short, tmp_path
):
    many = originals.repeat(4, 1, 1, 1)
    cells = run(many, models, tmp_path, methods=["mean", "ours, PAPER"], families=("random",))
    completed, _ = fill_rows("mean", many, table_masks("random", 20), list(range(20)), models)
    stored = to_float(to_uint8(completed))
    looks = two_sample_auc(many, stored, table_masks("random", 20))
    assert cells["variants"]["random, mean"]["auc"] == pytest.approx(looks.folds)
    assert "auc" not in cells["variants"]["random, ours, PAPER"]  # on three pictures
    assert summary(cells, "auc").keys() == {("random", "mean")}
    assert summary(cells, "auc")["random", "mean"][2] == 20
    assert "mean (20)" in table_text(cells, "auc")


def test_a_method_that_refuses_leaves_its_reason(originals, models, short, tmp_path):
    cells = run(
        originals,
        models,
        tmp_path,
        methods=["patchmatch", "mean", "ours, PAPER"],
        families=("random",),
    )["variants"]
    assert (
        "no wholly known 7x7 patch" in cells["random, patchmatch"]["refused"]
        and "measures" not in cells["random, patchmatch"]
    )
    assert cells["random, mean"]["rows"] == [0, 1, 2, 3, 4] and cells["random, ours, PAPER"][
        "rows"
    ] == [0, 1, 3]


def test_a_stopped_run_goes_on_and_ends_in_the_same_figures(
    originals, models, short, tmp_path, monkeypatch
):
    whole = run(originals, models, tmp_path, "whole")
    calls = []

    def stop_at(number):
        def filled(name, *arguments):
            calls.append(name)
            if len(calls) == number:
                raise KeyboardInterrupt
            return fill_rows(name, *arguments)

        return filled

    for number in (5, 9):
        calls.clear()
        monkeypatch.setattr(table1, "fill_rows", stop_at(number))
        with pytest.raises(KeyboardInterrupt):
            run(originals, models, tmp_path, "stopped")
        stored = load_results(tmp_path / "stopped.json")
        assert not stored["complete"] and 0 < len(stored["variants"]) < 12
    monkeypatch.setattr(table1, "fill_rows", fill_rows)
    run(originals, models, tmp_path, "stopped")
    assert (
        load_results(tmp_path / "stopped.json") == load_results(tmp_path / "whole.json")
        and whole["complete"]
    )
    assert not list(tmp_path.rglob("*.partial"))


def test_a_second_run_adds_methods_and_fills_nothing_twice(
    originals, models, short, tmp_path, monkeypatch
):
    run(originals, models, tmp_path, methods=["mean"])
    filled = []
    monkeypatch.setattr(
        table1, "fill_rows", lambda name, *rest: filled.append(name) or fill_rows(name, *rest)
    )
    results = run(originals, models, tmp_path, methods=["mean", "corrupted"])
    assert set(filled) == {"corrupted"} and len(results["variants"]) == 4


@pytest.mark.parametrize("change", [{"seed": 1}, {"data": {"name": "other"}}])
def test_results_of_other_pictures_or_seeds_are_not_mixed(change, originals, models, tmp_path):
    run(originals, models, tmp_path, methods=["mean"])
    before = (tmp_path / "t.json").read_bytes()
    with pytest.raises(ValueError, match="made from something else"):
        run(originals, models, tmp_path, methods=["mean"], **change)
    assert (tmp_path / "t.json").read_bytes() == before


def test_cells_of_other_weights_or_settings_are_not_mixed(
    originals, models, short, tmp_path, monkeypatch
):
    run(originals, models, tmp_path, methods=["mean", "ours"])
    stored = load_results(tmp_path / "t.json")
    other = replace(models, gan=replace(models.gan, card={"name": "tiny", "sha256": "2" * 64}))
    with pytest.raises(ValueError, match="center-ours holds .* other settings.*--work"):
        run(originals, other, tmp_path, methods=["ours"])
    assert load_results(tmp_path / "t.json") == stored
    (tmp_path / "t").rename(tmp_path / "away")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(table1, "fill_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        run(originals, other, tmp_path, methods=["mean", "ours"])
    assert load_results(tmp_path / "t.json") == stored | {"complete": False}
    again = run(originals, other, tmp_path, methods=["mean", "ours"])
    assert again["complete"] and list(again["variants"]) == list(stored["variants"])
    for cell, found in load_results(tmp_path / "t.json")["variants"].items():
        mean = cell.endswith("mean")
        assert (found == stored["variants"][cell]) == mean
        assert found["made_by"].get("weights_sha256") == (None if mean else "2" * 64)


def test_a_baseline_with_other_defaults_is_run_again(originals, models, tmp_path, monkeypatch):
    def shade(images, mask, brightness=0.0):
        return torch.where(mask > 0, images, brightness)

    monkeypatch.setitem(BASELINES, "mean", shade)
    options = {"methods": ["mean", "corrupted"], "families": ("center",)}
    run(originals, models, tmp_path, **options)
    monkeypatch.setitem(BASELINES, "mean", partial(shade, brightness=0.5))
    with pytest.raises(ValueError, match="center-mean holds .* other settings.*--work"):
        run(originals, models, tmp_path, **options)
    (tmp_path / "t" / "center-mean").rename(tmp_path / "away")
    cell = run(originals, models, tmp_path, **options)["variants"]["center, mean"]
    assert cell["made_by"]["options"] == {"brightness": 0.5}
    assert len(list((tmp_path / "t" / "center-mean").glob("*.npz"))) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": ["magic"]}, "unknown method magic: choose from corrupted"),
        ({"families": ("ring",)}, "unknown mask ring: choose from center"),
    ],
)
def test_unknown_names_are_refused(change, said, originals, models, tmp_path):
    with pytest.raises(ValueError, match=said):
        run(originals, models, tmp_path, **change)


def test_rendered_pictures_are_judged_by_the_classifier(tmp_path, short):
    dataset = load_dataset("synthetic-numbers", split="test", limit=70)
    images = dataset.images(slice(None))
    torch.manual_seed(0)
    truth = torch.tensor([dataset.attributes(index)["digit"] for index in range(70)])
    classifier = AttributeClassifier(heads_of("synthetic-numbers"), 4).eval()
    judge = Judge(
        classifier,
        {"name": "c", "sha256": "3" * 64},
        {"digit": truth},
        classifier_features(classifier, images),
    )
    results = run(
        images,
        Models(judge=judge),
        tmp_path,
        methods=["corrupted", "truncated-nuclear-norm"],
        families=("center",),
    )
    cell = results["variants"]["center, corrupted"]
    with torch.no_grad():
        guesses = classifier(corrupt(images, table_masks("center", 70)))["digit"].argmax(1)
    assert (
        np.mean(np.array(cell["measures"]["recovered digit"]) == (guesses == truth).numpy()) > 0.95
    )  # 8 bits move a tie
    assert (
        cell["frechet"] > 1e-6 > results["originals"]["frechet"]
    )  # the reference is the test set here
    assert "frechet" not in results["variants"]["center, truncated-nuclear-norm"]
    assert results["made_from"]["classifier_sha256"] == "3" * 64
    with pytest.raises(ValueError, match="classifier_sha256"):
        run(
            images,
            Models(judge=replace(judge, card={"name": "c", "sha256": "4" * 64})),
            tmp_path,
            methods=["corrupted"],
            families=("center",),
        )


def test_faces_are_looked_for_in_faces(originals, models, tmp_path):
    results = run(originals, replace(models, faces=True), tmp_path, methods=["mean"])
    assert (
        results["variants"]["center, mean"]["measures"]["face"]
        == [0.0] * 5
        == results["originals"]["measures"]["face"]
    )


# -- the tables --


def stored(name="synthetic-cars"):
    rng = np.random.default_rng(0)
    cells = {
        f"{family}, {method}": {
            "rows": rows,
            "measures": {
                "psnr": (20 + shift + rng.normal(size=len(rows))).tolist(),
                "odd": [None] * len(rows),
            },
        }
        for family in FAMILIES
        for method, rows, shift in (
            ("context-encoder", [0, 1, 2, 3], 1),
            ("ours", [0, 1, 2, 3], 0),
            ("ours, PAPER", [1, 3], 0),
        )
    }
    return {
        "made_from": {"data": {"name": name}},
        "variants": cells | {"random, patchmatch": {"rows": [0], "refused": "no patch"}},
    }


def test_summaries_and_pairs_by_hand():
    results = stored()
    values = results["variants"]["half, ours"]["measures"]["psnr"]
    mean, half, count = summary(results, "psnr")["half", "ours"]
    assert (
        count == 4
        and mean == pytest.approx(np.mean(values))
        and half == pytest.approx(3.1824 * np.std(values, ddof=1) / 2, rel=1e-3)
    )
    assert summary(results, "odd") == {} and ("random", "patchmatch") not in summary(
        results, "psnr"
    )
    few = results["variants"]["half, ours, PAPER"]["measures"]["psnr"]
    gap, _, both = paired(results, "half", "ours, PAPER", "ours", "psnr")
    assert both == 2 and gap == pytest.approx(np.mean([few[0] - values[1], few[1] - values[3]]))
    with pytest.raises(KeyError):
        paired(results, "random", "patchmatch", "ours", "psnr")


def test_a_completion_that_is_the_original_has_an_infinite_mean():
    results = stored()
    results["variants"]["half, ours"]["measures"]["psnr"][1] = np.inf
    mean, half, count = summary(results, "psnr")["half", "ours"]
    assert mean == np.inf and np.isnan(half) and count == 4
    line = table_text(results).splitlines()[2]
    assert line.startswith("ours (4)") and line.endswith("inf") and line.count("±") == 3


def test_the_text_has_the_paper_s_line_where_the_paper_has_one():
    text = table_text(stored(), "psnr")
    assert [line.split()[-4:] for line in text.splitlines() if line.startswith("paper")] == [
        ["14.1", "14.0", "16.1", "12.6"],
        ["13.5", "14.1", "18.9", "11.1"],
    ]
    assert text.splitlines()[0].split() == ["psnr", "center", "pattern", "random", "half"]
    assert "paper" not in table_text(stored("holiday"), "psnr")


def test_our_gaps_stand_beside_the_paper_s():
    results = stored()
    found = against_paper(results)
    assert {family: values[2] for family, values in found.items()} == pytest.approx(
        {"center": -0.6, "pattern": 0.1, "random": 2.8, "half": -1.5}
    )
    assert found["half"][:2] == paired(results, "half", "ours", "context-encoder", "psnr")[:2]
    assert np.isnan(against_paper(stored("holiday"))["half"][2]) and "(" not in paper_table_text(
        {"mine": stored("holiday")}
    )
    lines = paper_table_text({"cars": results, "numbers": stored("synthetic-numbers")}).splitlines()
    assert [line.split()[0] for line in lines] == ["CE", *FAMILIES] and lines[0].split()[3:] == [
        "cars",
        "(Cars)",
        "numbers",
        "(SVHN)",
    ]
    means = [summary(results, "psnr")["center", name][0] for name in ("context-encoder", "ours")]
    assert lines[1].split()[1:7] == [
        f"{means[0]:.1f}",
        "/",
        f"{means[1]:.1f}",
        "(14.1",
        "/",
        "13.5)",
    ]
    for cell in results["variants"].values():
        cell.setdefault("measures", {})["ssim"] = cell.get("measures", {}).get("psnr", [])
    assert paper_table_text({"cars": results}, "ssim").splitlines()[1].split() == [
        "center",
        f"{means[0]:.3f}",
        "/",
        f"{means[1]:.3f}",
    ]


def test_the_command_makes_a_table(tmp_path, capsys, monkeypatch, short):
    monkeypatch.setenv("TUTORIAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tutorial_lib.cli.table1.REFERENCE_PICTURES", 20)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    gan = save_gan(
        tmp_path / "tiny",
        uniform_latent_model(Generator(4), Discriminator(4, "none"), card={}),
        {"name": "tiny"},
    )
    save_network(tmp_path / "painter", ContextEncoder(4).eval(), {})
    denoiser = save_network(tmp_path / "denoiser", Denoiser(8).eval(), {})
    arguments = [
        "table1",
        "--data",
        "synthetic-numbers",
        "--weights",
        str(gan),
        "--context-encoder",
        str(tmp_path / "painter.safetensors"),
        "--limit",
        "4",
        "--masks",
        "center",
        "half",
        "--methods",
        "corrupted",
        "context-encoder",
        "ours",
        "repaint",
        "--denoiser",
        str(denoiser),
        "--device",
        "cpu",
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(tmp_path / "t.json"),
    ]
    try:
        assert cli.main(arguments) == 0
        printed = capsys.readouterr().out
        with pytest.raises(SystemExit):
            cli.main([*arguments, "--methods", "nonsense"])
        without = [word for word in arguments if word not in ("--denoiser", str(denoiser))]
        assert cli.main(without) != 0
        assert "need --denoiser" in capsys.readouterr().err
    finally:
        torch.set_num_threads(threads)
    assert "paper, SVHN: ours" in printed and "hole_psnr" in printed and "ours (4)" in printed
    results = json.loads((tmp_path / "t.json").read_text())
    assert results["variants"]["half, repaint"]["made_by"]["weights_sha256"] == file_hash(denoiser)
    assert results["variants"]["half, ours"]["made_by"]["weights_sha256"] == file_hash(gan)
    assert (
        results["made_from"]["data"]["indices"]
        and "recovered digit" in results["variants"]["half, ours"]["measures"]
    )
