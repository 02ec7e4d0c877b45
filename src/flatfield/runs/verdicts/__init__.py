"""Having trials judged: during a run, again later, and a judge itself on a labelled set."""
