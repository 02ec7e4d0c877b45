"""Books payments against open invoices."""
