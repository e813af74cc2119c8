"""Images of items: vectors by item token, from files of vectors or from image files through a vision model."""
