"""The targets of delivery: each file knows one protocol, and is loaded only where it is used."""
