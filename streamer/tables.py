"""Tables for people, on stdout."""
