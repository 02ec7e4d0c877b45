"""The files of a workspace: confined reading, writing, copying, listing, removing."""
