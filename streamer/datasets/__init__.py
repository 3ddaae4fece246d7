"""Records into the formats of other tools, and back."""
