"""Settings with everything that makes INI files awkward."""

import json

from shared import COMPANIES, TOWNS, WORDS, code, draw, write


def build(seed, folder):
    rng = draw(seed, "migrate-config")
    a, b, c, d = rng.sample(WORDS, 4)
    towns = [town.lower() for town in rng.sample(TOWNS, 5)]
    root, host = f"/srv/{rng.choice(WORDS)}", f"{towns[0]}.internal"
    digits = f"0{rng.randint(1000, 9999)}"
    colour = f"#{rng.randrange(0x100000, 0xFFFFFF):06x}"
    retries, timeout, ratio = rng.randint(2, 9), rng.randint(10, 90), rng.randint(11, 89) / 100
    port, old_port, percent = rng.randint(2000, 9000), rng.randint(2000, 9000), rng.randint(10, 90)
    token = code(rng)
    defaults = {"retries": retries, "timeout_seconds": timeout}
    expected = {
        a: defaults | {
            "root": root, "data_path": f"{root}/{b}/data", "colour": colour, "tls": True, "hosts": towns[1:4],
        },
        b: defaults | {
            "retries": retries + 2, "port": port, "account": digits, "verbose": False,
            c: defaults | {"ratio": ratio, "label": f"{percent}% full", "url": f"http://{host}:{port + 1}/{c}"},
        },
        d: defaults | {"token": token, "enabled": False, "timeout_seconds": timeout * 2, "note": "a; b; c"},
    }
    ini = f"""; settings of the {rng.choice(COMPANIES)} gateway
[DEFAULT]
retries = {retries}
Timeout-Seconds: {timeout}   ; for all services

[{a}]
root = {root}
data-path = %(root)s/{b}/data
Colour = {colour} ; as printed
tls = Yes
hosts =
    {towns[1]}

    {towns[2]}
    {towns[3]}

[{b}]
port = {old_port}
account = "{digits}"
RETRIES = {retries + 2}
verbose = off
; moved in spring
port = {port}

[{b}:{c}]
ratio={ratio}
label = {percent}%% full
url = http://{host}:{port + 1}/{c}

[{d}]
token = {token}
timeout-seconds = {timeout * 2}
enabled = FALSE
note = a; b; c
"""
    write(folder / "workspace", {"settings.ini": ini, "MIGRATION.md": RULES})
    write(folder, {"expected.json": json.dumps(expected)})
    return {
        "toml": _toml(expected),
        "ratio": ratio,
        "port": port,
        "old_port": old_port,
        "hosts": json.dumps(towns[1:4]),
        "hosts_text": json.dumps(" ".join(towns[1:4])),
        "digits": digits,
        "colour": colour,
        "resolved": f'"{root}/{b}/data"',
        "unresolved": f'"%(root)s/{b}/data"',
        "default_line": f"retries = {retries}\ntimeout_seconds = {timeout}\nroot",
    }


def _toml(tables, prefix=""):
    text = ""
    for name, table in tables.items():
        text += f"[{prefix}{name}]\n"
        text += "".join(f"{k} = {json.dumps(v)}\n" for k, v in table.items() if not isinstance(v, dict))
        inner = {k: v for k, v in table.items() if isinstance(v, dict)}
        text += "\n" + _toml(inner, f"{prefix}{name}.")
    return text


RULES = """# From settings.ini to settings.toml

1. A section becomes a table of the same name. `[a:b]` becomes the table `b` in the table `a`.
2. There is no table for `[DEFAULT]`: each of its keys is written into every table that does not have it, the tables in
   tables included.
3. Keys become small letters, and `-` becomes `_`. They are separated from values by `=` or `:`, whichever comes first.
4. When a key stands twice in a section, the last one counts.
5. A line that begins with `;` is a comment. In a value, a comment begins at a space followed by `;`, and the spaces
   before it are not part of the value. `#` begins no comment.
6. `%(name)s` stands for the value of that key in the same section; `%%` is a percent sign.
7. `yes`, `no`, `on`, `off`, `true`, `false`, in any case, become booleans.
8. A value of digits alone becomes an integer, digits with a point between them a float.
9. A value in double quotes becomes the string between them, also when it looks like a number.
10. A key whose value stands on indented lines below becomes an array of strings, one a line, without the empty lines.
11. Everything else becomes a string.
"""
