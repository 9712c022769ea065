-- A token or a symbol that stands twice in a dump leads two ways: what was chosen is a
-- stated rule, but somebody should know. Old dumps repeat some indices, so this warns.
{{ config(severity='warn') }}

select
    line_number,
    kept_line_number,
    repeats,
    tradingsymbol,
    reason
from {{ ref('repeated_rows') }}
