"""`python -m {{package}}`."""

import sys

from {{package}}.cli import main

sys.exit(main(sys.argv[1:]))
