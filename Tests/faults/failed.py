class Failed(Exception):
    """The test could not be carried out."""
