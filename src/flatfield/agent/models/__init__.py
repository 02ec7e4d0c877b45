"""On-device models: which there are, bringing them here, checking them."""

from flatfield.agent.models.checking import ModelCheck, check_model
from flatfield.agent.models.pulling import pull
from flatfield.agent.models.store import ModelEntry, cache_folder, find_model, list_models

__all__ = ["ModelCheck", "ModelEntry", "cache_folder", "check_model", "find_model", "list_models", "pull"]
