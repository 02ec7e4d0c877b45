"""Other people's figures become records, one source a file."""
