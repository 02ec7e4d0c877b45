"""All balances to the cent, the number of vouchers and the last one's seal."""

import json
from decimal import Decimal
from pathlib import Path

from checking import number, plain


def closed(trial, files):
    expected = json.loads((Path(__file__).parent / "expected.json").read_text())
    found = files.read_json("closing.json")
    if not isinstance(found, dict):
        return 0.0, "closing.json is not an object, or names a key twice"
    if plain(str(found.get("seal"))) != plain(expected["seal"]):
        return 0.0, f"the seal is not that of the last voucher of {expected['length']}"
    balances = found.get("balances")
    if not isinstance(balances, dict) or set(balances) != set(expected["balances"]):
        return 0.0, f"the accounts are {', '.join(expected['balances'])}"
    wrong = [name for name, balance in expected["balances"].items() if number(balances[name]) != Decimal(balance)]
    if wrong:
        return 0.0, f"wrong balance of {', '.join(wrong)}"
    if number(found.get("posted")) != expected["posted"]:
        return 0.0, f"{expected['posted']} vouchers were posted, not {found.get('posted')}"
    return 1.0, "the books are closed"
