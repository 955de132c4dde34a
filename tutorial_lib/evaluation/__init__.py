"""How good is a completion: metrics, and the experiments whose results are stored."""

from tutorial_lib.evaluation.metrics import auc, psnr, seam_strength, ssim
from tutorial_lib.evaluation.sliced_wasserstein import sliced_wasserstein
from tutorial_lib.evaluation.two_sample import TwoSampleResult, two_sample_auc

__all__ = [
    "TwoSampleResult",
    "auc",
    "psnr",
    "seam_strength",
    "sliced_wasserstein",
    "ssim",
    "two_sample_auc",
]
