"""Gantry: GAN training, repeatable, from raw data to the papers' tables and curves."""

__version__ = "0.1.0"
