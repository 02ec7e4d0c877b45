"""Brings a store from one version to another, as docs/versions.md says."""


class MigrationError(Exception):
    """The store cannot be migrated; nothing was changed."""


def migrate(store, to):
    """Bring a store to version `to`, up or down."""
    raise NotImplementedError
