"""Whether everything that holds the focus set holds the same: the check, the mending, the history.

focus_rule      which contracts belong to the focus set, of what is listed; pure
focus_rows      how brokers list them: what is compared; pure
comparison      what one holder lacks, has too much of, or holds otherwise; pure
reference       the last publication: what should be held
holders         what each holder holds: registry, table, files, snapshot
check           all of it together, and the verdict
synchronizer    mend: export anew, refresh this process's registries
history         one row a check or sync in `ops.registry_checks`
alerts, webhook who is told of trouble
display         for people at a terminal
"""
