"""The loop, and what lets it be stopped anywhere: state, locks, signals, records."""
