"""What goes over the wire: requests, retries, streams, secrecy, and the clock on them."""
