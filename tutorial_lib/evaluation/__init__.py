"""What the eye would say, in numbers: can a network tell completions from originals, and do generated pictures look like real ones?"""

from tutorial_lib.evaluation.sliced_wasserstein import sliced_wasserstein
from tutorial_lib.evaluation.two_sample import TwoSampleResult, two_sample_auc

__all__ = ["TwoSampleResult", "sliced_wasserstein", "two_sample_auc"]
