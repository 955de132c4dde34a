"""`python -m tutorial_lib COMMAND`: what `semantic-inpaint COMMAND` does."""

import os
import sys

from torch import distributed

from tutorial_lib.cli import main

status = main()
if distributed.is_torchelastic_launched():
    # gloo now and then aborts a process in the interpreter's own clean-up (pytorch issue 190489):
    # everything is written, so leave at once
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
sys.exit(status)
