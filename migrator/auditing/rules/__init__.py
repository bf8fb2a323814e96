"""The rules, a family to a few modules; ``migrator.auditing.registry`` lists the modules."""
