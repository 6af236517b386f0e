"""The types of tables: each turns loaded runs into tidy cells, in a file of its own."""
