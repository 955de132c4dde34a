"""`python -m tutorial_lib COMMAND`: what `semantic-inpaint COMMAND` does."""

import os
import sys


def run() -> None:
    """Run the command line and leave with its exit status."""
    try:
        from torch import distributed  # takes seconds, in which Ctrl-C may come

        from tutorial_lib.cli import main
    except KeyboardInterrupt:
        sys.exit(130)
    status = main()
    if distributed.is_torchelastic_launched():
        # gloo now and then aborts a process in the interpreter's own clean-up (pytorch issue
        # 190489): everything is written, so leave at once
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    run()
