"""Checks for the notebooks' exercises, a file for each notebook.

Each takes the reader's function and says in one line what holds or what does not hold yet. A check
compares with the library or with a plain restatement, on inputs that the reader has not seen.
"""

from tutorial_lib.teaching.exercises.ablations import check_ablation, check_pictures_needed
from tutorial_lib.teaching.exercises.after_gans import check_evaluations, check_step_back
from tutorial_lib.teaching.exercises.comparisons import check_two_fold_auc, check_wins_needed
from tutorial_lib.teaching.exercises.faster_search import check_fused, check_leaders
from tutorial_lib.teaching.exercises.gans_in_the_plane import check_solutions, check_total_loss
from tutorial_lib.teaching.exercises.importance_weights import (
    check_round_weights,
    check_speakers,
)
from tutorial_lib.teaching.exercises.lambda_explorer import (
    check_change_over_lam,
    check_lam_with_share,
)
from tutorial_lib.teaching.exercises.limits import check_kept_quality, check_lightening
from tutorial_lib.teaching.exercises.poisson_blending import check_blend, check_blend_line
from tutorial_lib.teaching.exercises.searching_the_latent_space import (
    check_momentum_search,
    check_stochastic_clip,
)
from tutorial_lib.teaching.exercises.start_here import check_paste, check_two_holes
from tutorial_lib.teaching.exercises.the_inpainting_problem import (
    check_easy_hole,
    check_hole_psnr,
)
from tutorial_lib.teaching.exercises.training_a_gan import (
    check_average,
    check_discriminator_step,
)
from tutorial_lib.teaching.exercises.walking_the_manifold import (
    check_detour,
    check_trustworthiness,
)

__all__ = [
    "check_ablation",
    "check_solutions",
    "check_average",
    "check_blend",
    "check_blend_line",
    "check_change_over_lam",
    "check_detour",
    "check_discriminator_step",
    "check_easy_hole",
    "check_evaluations",
    "check_fused",
    "check_hole_psnr",
    "check_kept_quality",
    "check_lam_with_share",
    "check_leaders",
    "check_lightening",
    "check_momentum_search",
    "check_paste",
    "check_pictures_needed",
    "check_round_weights",
    "check_speakers",
    "check_step_back",
    "check_stochastic_clip",
    "check_total_loss",
    "check_trustworthiness",
    "check_two_fold_auc",
    "check_two_holes",
    "check_wins_needed",
]
