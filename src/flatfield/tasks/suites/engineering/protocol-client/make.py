"""A protocol between machines whose marks, order of bytes, checksum and limits are its own."""

from shared import COMPANIES, WORDS, draw, fill_tree, only

POLYNOMIALS = [0x1021, 0x8005, 0x3D65, 0xC867, 0x0589, 0xA097]
MACHINES = ["kilns", "looms", "pumps", "presses", "silos", "turbines"]


def build(seed, folder):
    rng = draw(seed, "protocol-client")
    order = rng.choice(["big", "little"])
    magic = bytes(rng.sample(range(0x90, 0xF8), 2))
    polynomial, start = rng.choice(POLYNOMIALS), rng.randint(0x1000, 0xFFFE)
    kind, text, number = (rng.randint(1, 200) for _ in range(3))
    values = {
        "package": rng.choice(WORDS) + "link",
        "company": rng.choice(COMPANIES),
        "machines": rng.choice(MACHINES),
        "magic": " ".join(f"{byte:02x}" for byte in magic),
        "magic_bytes": repr(magic),
        "order": order,
        "first": "more" if order == "big" else "less",
        "polynomial": f"0x{polynomial:04x}",
        "start": f"0x{start:04x}",
        "most": rng.randint(260, 900),
        "check": f"0x{_checksum(b'123456789', polynomial, start):04x}",
        "kind": kind,
    }
    head = bytes([kind, 0]) + (3).to_bytes(2, order)
    frame = magic + head + b"abc" + _checksum(head + b"abc", polynomial, start).to_bytes(2, order)
    values["example"] = " ".join(f"{byte:02x}" for byte in frame)
    fill_tree(folder, values)
    return only(values, "package")


def _checksum(data, polynomial, start):
    value = start
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ polynomial if value & 0x8000 else value << 1) & 0xFFFF
    return value
