"""`python -m {{package}} INVOICES PAYMENTS`."""

import sys
from pathlib import Path

from {{package}} import read
from {{package}}.run import run

INVOICES, PAYMENTS = (Path(name).read_text() for name in sys.argv[1:])
_, ROWS = run(read.invoices(INVOICES), read.payments(PAYMENTS))
for row in ROWS:
    print(f"{row.customer:20} {row.paid:12} {row.open:12} {row.credit:12}")
