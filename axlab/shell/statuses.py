"""Exit statuses of AxLab's processes."""

from __future__ import annotations

DONE = 0
FAILED = 1  # it ran, and something in it failed
WRONG = 2  # wrong usage or files: nothing was run
DEFECT = 70  # a defect of AxLab (sysexits.h: EX_SOFTWARE)
INTERRUPTED = 130  # as shells say of a process that Ctrl-C ended
