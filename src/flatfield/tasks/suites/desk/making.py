"""What the suite's `make.py` files share: names, words and codes drawn from a seed, and files written."""

import json
import random

PEOPLE = """Ada Amir Anouk Bela Bruno Carla Dario Edda Emil Farid Freya Gino Greta Hana Hugo Ida Ines Ivan Jana Joris Kaya
Lena Luis Mats Mila Nadia Nils Omar Pia Rosa Selma Sven Tara Theo Tove Vera Viggo Wanda Yara Zoe""".split()
TOWNS = """Arvika Bergen Cadiz Coimbra Delft Faro Gdansk Ghent Graz Halle Jena Kalmar Kaunas Leuven Lugano Malmo Nantes
Narvik Odense Oulu Parma Porto Ravenna Rouen Sibiu Split Tartu Trento Turku Varna Viborg Vigo Zadar Zwolle""".split()
GOODS = """anvils barrels brackets buckets cables candles chisels clamps crates drills filters funnels gaskets hammers
hinges kettles ladders lamps lanterns magnets mallets mirrors nozzles pallets pulleys ratchets rivets shovels springs
trowels valves washers""".split()
WORDS = """amber basalt cedar cobalt copper coral ember falcon fennel flint garnet harbor hazel heron indigo ivory jasper
juniper lagoon larch lichen linden maple marble meadow nutmeg onyx opal orchid osprey pebble pepper quartz raven saffron
sierra slate sorrel tundra velvet walnut willow zephyr""".split()


def draw(seed, task):
    """The random numbers of one task; the same for ever, and other ones for each task."""
    return random.Random(f"{task} {seed}")


def codes(rng, count):
    """`count` different codes that nobody guesses, such as KT-4821."""
    found = {}
    while len(found) < count:
        letters = "".join(rng.sample("BCDFGHJKLMNPRSTVWZ", 2))
        found[f"{letters}-{rng.randint(1000, 9999)}"] = None
    return list(found)


def text(lines):
    """Lines as a file holds them."""
    return "".join(f"{line}\n" for line in lines)


def write(folder, files, expected):
    """Write the workspace's files by their paths, and what the task's checks must know of them."""
    for name, content in files.items():
        path = folder / "workspace" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    (folder / "expected.json").write_text(json.dumps(expected), "utf-8")
