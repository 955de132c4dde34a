"""CONTRIBUTING.md says which modules one batch walks through: traced here, call by call."""

import re
import sys

import torch
from conftest import ROOT

from tutorial_lib import inpaint
from tutorial_lib.masks import make_masks
from tutorial_lib.models.dcgan import Discriminator, Generator
from tutorial_lib.models.latent_model import uniform_latent_model

# the networks belong to the model that the caller gives, and `device` only answers questions
NOT_A_STAY = ("models.", "device")
LOOP = ["latent_search", "fast", "losses", "full_matrix"]  # what each step goes through


def traced(call):
    """The module of each call into the library, in order, without repetitions in a row."""
    found = []

    def note(frame, event, _):
        name = frame.f_globals.get("__name__", "").removeprefix("tutorial_lib.")
        if event != "call" or name == frame.f_globals.get("__name__"):
            return
        if not name.startswith(NOT_A_STAY) and found[-1:] != [name]:
            found.append(name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    return [name.removeprefix("inpainting.") for name in found]


def test_the_walk_of_one_batch_is_the_one_described():
    model, mask = uniform_latent_model(Generator(4), Discriminator(4)), make_masks("center")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    calls = traced(lambda: inpaint(images, mask, model, steps=12, progress=False))
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## The walk of one batch\n")[2].partition("\n## ")[0]
    described = re.findall(r"^\d\. `([\w.]+)`", section, re.MULTILINE)
    assert calls[0] == "pipeline"
    assert list(dict.fromkeys(calls))[1:] == described and len(described) <= 8
    # outside the loop over the steps no module is entered a second time
    for name in described:
        if name not in LOOP:
            assert calls.count(name) == 1, name
