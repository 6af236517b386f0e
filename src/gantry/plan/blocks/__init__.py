"""The blocks of a recipe, one file each: names and ranges; the mathematics lives in the rooms they name."""
