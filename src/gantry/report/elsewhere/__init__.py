"""Numbers from elsewhere: runs that others trained, read from their files, in the report's own tables and claims."""
