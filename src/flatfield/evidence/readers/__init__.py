"""Files of others' results become runs of trials or figures, one format a file."""
