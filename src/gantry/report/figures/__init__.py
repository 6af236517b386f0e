"""The types of figures: each draws loaded runs on a matplotlib Figure, in a file of its own."""
