"""The terminal application: it turns keys into moments and options, and shows what the renderers draw."""
