"""What finds objects in a picture."""
