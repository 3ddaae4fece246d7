"""How well the records of one run agree with those that are taken for the truth."""
