"""Work on the machines of a Ray cluster: archives and fleets of cameras."""
