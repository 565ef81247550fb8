"""Long work that is no extraction, as jobs of the ledger."""
