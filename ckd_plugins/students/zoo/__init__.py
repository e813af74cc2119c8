"""Student models of our own, each a subscriber through the same hook that other packages use."""
