"""flatfield: the same agentic task, tools and limits for every model, graded with the evidence."""

__version__ = "0.1.0"
