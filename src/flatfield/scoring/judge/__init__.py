"""The judge: what it is shown, how it is asked, what its reply means."""
