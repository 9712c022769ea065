-- What the loader keeps in PostgreSQL. Every statement may run again at any time.
create schema if not exists staging;
create schema if not exists ops;

-- One row for each landing of a dump, written before the landing begins: a row that still says
-- 'started' after its run is gone is the trace of a death.
create table if not exists ops.loads (
    load_id bigint generated always as identity primary key,
    feed text not null,
    source text not null, -- without credentials
    sha256 text not null, -- of the uncompressed bytes
    bytes bigint not null, -- uncompressed
    rows bigint,
    as_of_date date not null,
    landing_path text not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    status text not null check (status in ('started', 'landed', 'refused', 'failed')),
    error text,
    etag text,
    last_modified text
);

create index if not exists loads_feed_load_id on ops.loads (feed, load_id desc);
