"""The same content in several formats, one file each."""
