"""report.html: every table, figure and claim on one page that needs nothing beside it."""
