"""The settings hold the same values, one of them under its new key; their order and form are open."""

from marking import expected, pairs


def the_settings(trial, files):
    wanted = expected(__file__)["settings"]
    found = pairs(files, "settings.json")
    if found is None:
        return 0.0, "settings.json is not a JSON object that names each key once"
    wrong = [key for key in wanted if type(found.get(key)) is not type(wanted[key]) or found[key] != wanted[key]]
    if wrong:
        return 0.0, f"settings.json has no or another value for {', '.join(wrong)}"
    more = sorted(set(found) - set(wanted))
    return (0.0, f"settings.json still has {', '.join(more)}") if more else (1.0, "settings.json is right")
