"""The rules, a package for each family; ``migrator.auditing.registry`` lists the modules that hold
some. What only one family shares lies beside its rules, what all share in ``listing``."""
