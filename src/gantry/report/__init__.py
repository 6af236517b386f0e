"""Run files and published numbers in; tables, figures, claims and one page out. No torch here."""
