-- A symbol that says another strike or expiry than its own row makes an order go to
-- another contract than the one that was looked up. After a corporate action a few may
-- disagree for a day, so this warns and lists them.
{{ config(severity='warn') }}

select
    instrument_token,
    canonical_id,
    tradingsymbol,
    symbol_form
from {{ ref('broker_instruments') }}
where is_symbol_agreed is false
