"""On-device models: which there are, bringing them here, checking them."""

from flatfield.machine.models.places import ModelEntry, find_model, list_models
from flatfield.machine.models.pulling import ModelCheck, PullOptions, check_model, pull
from flatfield.tasks.cache import cache_folder

__all__ = [
    "ModelCheck",
    "ModelEntry",
    "PullOptions",
    "cache_folder",
    "check_model",
    "find_model",
    "list_models",
    "pull",
]
