"""Whether two models compute the same, and what shows it: the graphs, or a record done again."""
