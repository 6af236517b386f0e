"""Where one stands: what is done, what is left over, and where a number comes from. No torch."""
