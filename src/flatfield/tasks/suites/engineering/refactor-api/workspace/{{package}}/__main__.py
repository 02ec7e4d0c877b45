"""`python -m {{package}}`."""

import sys

from {{package}}.cli import main

print(main(sys.argv[1:]))
