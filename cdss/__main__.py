"""`python -m cdss` is the command `cdss`."""

import sys

from cdss.cli.main import main

sys.exit(main())
