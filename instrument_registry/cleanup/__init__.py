"""Take the old token files away, and put them back.

`manifest` says which files are old and which are nobody's to touch; `tree` lists what is there,
`mentions` who still names it, `survey` puts both together, `plan` decides; `trash` moves, `undo`
puts back. See `python -m instrument_registry.cleanup_old_token_files --help`.
"""
