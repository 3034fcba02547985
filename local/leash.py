"""Start a program that dies with its starter. Rule: the kernel sends the signal, even when the starter was killed.

Run as a script: `python leash.py <starter's pid> <signal number> <program> <arguments>...`. It becomes the program.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, make sure that the starter still lives, become the program."""
    starter, number, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != int(starter):  # it died before the kernel knew our wish
        sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
