"""`cli`: an external coding agent, run headless in the trial's workspace; its whole run is one turn of ours."""

from flatfield.vendors.scaffold.delegation import RUNS_CODE, create

__all__ = ["RUNS_CODE", "create"]
