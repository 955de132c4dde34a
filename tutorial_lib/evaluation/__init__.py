"""What the eye would say, in numbers: is a completion told from originals, do samples look real?"""

from tutorial_lib.evaluation.sliced_wasserstein import sliced_wasserstein
from tutorial_lib.evaluation.two_sample import TwoSampleResult, two_sample_auc

__all__ = ["TwoSampleResult", "sliced_wasserstein", "two_sample_auc"]
