"""`python -m tailrace` is the command `tailrace`. Rule: nothing but the call."""

import sys

from tailrace.cli import main

sys.exit(main())
