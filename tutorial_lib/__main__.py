"""`python -m tutorial_lib COMMAND`: what `semantic-inpaint COMMAND` does."""

import os
import signal
import sys


def run() -> None:
    """Run the command line and leave with its exit status."""
    # Importing takes seconds. An exception in the middle of it would become any other.
    interrupted = signal.getsignal(signal.SIGINT)
    if interrupted is not signal.SIG_IGN:  # in the background of a shell it is ignored
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from torch import distributed

    from tutorial_lib.cli import main

    signal.signal(signal.SIGINT, interrupted)
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
