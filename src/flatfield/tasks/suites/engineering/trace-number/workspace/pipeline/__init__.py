"""Orders to a report by town."""
