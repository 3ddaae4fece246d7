"""Many recordings with one command: which they are, who works on which, and what is done already."""
