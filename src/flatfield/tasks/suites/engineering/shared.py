"""What the suite's `make.py` files share: names and data drawn from a seed, and templates filled with them."""

import random
import re
import shutil
from datetime import date, timedelta

PEOPLE = """Ada Amir Anouk Asta Bela Bruno Carla Cem Dagny Dario Edda Emil Esra Farid Freya Gino Greta Hana Hugo Ida Ilja
Ines Iris Ivan Jana Joris Kaya Kemal Lale Lena Lino Luis Maja Mats Mila Nadia Nils Noor Olga Omar Pia Piet Rana Remy
Rosa Sami Selma Sina Sven Tara Theo Tove Ugo Vera Viggo Wanda Yara Yusuf Zeno Zoe""".split()
TOWNS = """Arvika Bergen Brno Cadiz Coimbra Delft Evora Faro Gdansk Ghent Graz Halle Ivrea Jena Kalmar Kaunas Leuven
Lugano Malmo Nantes Narvik Odense Oulu Parma Pecs Porto Ravenna Riga Rouen Sibiu Split Tartu Trento Turku Umea Varna
Viborg Vigo Zadar Zwolle""".split()
GOODS = """anvil barrel bracket bucket cable candle chisel clamp crate drill filter funnel gasket gauge hammer hinge
kettle ladder lamp lantern magnet mallet mirror nozzle pallet pipe pulley ratchet rivet rope sieve spanner spring tarp
thimble trowel valve vise washer winch""".split()
COMPANIES = """Alderfen Brackwater Coppergate Dunmere Eastholm Fernhill Greyfriar Harrowdale Islip Jarrow Kestrel
Larkspur Millbrook Northgate Oxbow Pinecrest Quarrybank Redmoor Saltmarsh Thornbury Underhill Vantage Westerby
Yarrow""".split()
WORDS = """amber basalt cedar cobalt copper coral ember falcon fennel flint garnet glacier harbor hazel heron indigo
ivory jasper juniper kelp lagoon larch lichen linden maple marble meadow mistral nutmeg onyx opal orchid osprey pebble
pepper quartz raven saffron sierra slate sorrel tundra velvet walnut willow zephyr""".split()


def draw(seed, task):
    """The random numbers of one task; the same for ever, and other ones for each task."""
    return random.Random(f"{task} {seed}")


def days(rng, start, count, step=(1, 3)):
    """`count` rising dates from about `start` (YYYY-MM-DD)."""
    day = date.fromisoformat(start) + timedelta(days=rng.randint(0, 60))
    found = []
    for _ in range(count):
        found.append(day)
        day += timedelta(days=rng.randint(*step))
    return found


def code(rng, length=6):
    """A code of capitals and digits that nobody guesses."""
    return "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(length))


def fill(text, values):
    """`{{name}}` becomes its value where there is one."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(values.get(match[1], match[0])), text)


def fill_tree(folder, values):
    """Fill the texts and the names of all that lies in the task's folders (`workspace/`, `solution/` …)."""
    for top in sorted(path for path in folder.iterdir() if path.is_dir()):
        for path in sorted(top.rglob("*"), key=lambda path: -len(path.parts)):
            if path.is_file():
                path.write_text(fill(path.read_text("utf-8"), values), "utf-8")
            name = fill(path.name, values)
            if name != path.name:
                path.rename(path.with_name(name))


def write(folder, files):
    """Write texts by their paths below `folder`."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def copy(source, target):
    """Copy a folder's files over another's, which may be there."""
    shutil.copytree(source, target, dirs_exist_ok=True)


def only(values, *names):
    """The values that the LOP itself asks for."""
    return {name: values[name] for name in names}
