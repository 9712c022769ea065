-- Ingestion reads its tokens from public.instruments: a subscription that this table
-- cannot hold would never be streamed, though every other destination lists it.
select
    instrument_token,
    tradingsymbol,
    reason
from {{ ref('withheld_rows') }}
where is_active and destination = 'postgres'
