"""What runs: where runs begin, which function calls which, and what each place is reached by."""
