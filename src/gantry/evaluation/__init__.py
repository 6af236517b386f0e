"""Checkpoint → samples → metrics: the only place where networks, data and metrics meet."""
