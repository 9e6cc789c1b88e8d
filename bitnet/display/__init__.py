"""Figures, tables, the report and the live views. Nothing here trains or judges."""
