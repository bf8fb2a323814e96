"""What is kept of a run, so that it can be resumed: the ledger, the lock, the copy at a store."""
