"""Studies: a question, its commands, its records, a table made from them. The product imports nothing from here."""
