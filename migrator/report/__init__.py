"""Results as text and as JSON. Functions from result objects to strings; the CLI does the I/O."""
