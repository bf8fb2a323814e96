"""Many models: tasks of plain data, run in parallel, kept in a ledger, resumed."""
