"""`python -m teachgrad` is the `teachgrad` command."""

import sys

from .cli import main

sys.exit(main())
