"""What the user asks of an audit: which rules, what fails it, what is known already."""
