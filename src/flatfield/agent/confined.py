"""The one door to a workspace's files: no path, link or race leads out of it."""
