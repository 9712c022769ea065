"""How far modules have moved from the old token files to the registry.

`old_readers` finds who still reads what is old, `facts` what the registry offers and who asked it,
`progress` puts both together, `report` prints it. See `python -m
instrument_registry.migration_status --help`.
"""
