"""Write to the target: tables, copies, the ledger, publication."""
