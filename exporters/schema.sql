-- What a publication keeps: the published copies, how to undo them, and the ledger.

create schema if not exists ops;

create schema if not exists marts;

create schema if not exists history;

create table if not exists ops.publications (
    publication_id bigint primary key,
    published_at timestamptz not null,
    as_of_date date not null,
    run_id text,
    load_id bigint,
    filter text not null,
    dump_sha256 text,
    fingerprint text not null,
    rollback_of bigint references ops.publications (publication_id),
    rows_total bigint,
    summary jsonb not null default '{}',
    brought_in_after bigint
);

comment on table ops.publications is
'One row per publication: a candidate that passed the gate, or an older one put back.';

-- A ledger older than the column. `add column if not exists` alone would wait for everybody
-- who reads the table, at every command.
do $$
begin
    if not exists (
        select from pg_attribute
        where attrelid = 'ops.publications'::regclass and attname = 'brought_in_after'
    ) then
        alter table ops.publications add column if not exists brought_in_after bigint;
    end if;
end
$$;

comment on column ops.publications.brought_in_after is
'Of a day that a backfill put before the first publication, under a number below its: the publication that was the last one then. Consumers were never shown the day.';

-- 'superseded': still pending when a later publication took its place, so never completed.
create table if not exists ops.exports (
    publication_id bigint references ops.publications (publication_id),
    destination text not null,
    status text not null
        check (status in ('pending', 'complete', 'failed', 'superseded')),
    added bigint,
    changed bigint,
    removed bigint,
    started_at timestamptz,
    finished_at timestamptz,
    error text,
    digest text, -- of a file, as it was read back: the same bytes need no second comparison
    primary key (publication_id, destination)
);

comment on table ops.exports is
'One row per publication and destination outside PostgreSQL: whether it has arrived.';

create table if not exists ops.subscription_overrides (
    canonical_id text primary key,
    instrument_token integer not null,
    is_active boolean not null,
    origin text not null check (origin in ('hand', 'adopted')),
    recorded_at timestamptz not null,
    filter text,
    is_change_back boolean not null default false
);

comment on table ops.subscription_overrides is
'One row per instrument whose is_active a person set against what the filter says.';

comment on column ops.subscription_overrides.filter is
'The filter of the publication that the change was made against; null when it was adopted.';

comment on column ops.subscription_overrides.is_change_back is
'True when it only takes an earlier change back: it leaves with the next publication that heeds it.';

-- A change is a change against these: one that is taken back before the next publication
-- leaves no trace, however often it was captured.
create table if not exists ops.published_overrides (
    canonical_id text primary key,
    instrument_token integer not null,
    is_active boolean not null,
    origin text not null check (origin in ('hand', 'adopted')),
    recorded_at timestamptz not null,
    filter text,
    is_change_back boolean not null default false
);

comment on table ops.published_overrides is
'The subscription overrides that the last publication heeds; the others wait for the next build.';

-- Read backwards, these rows turn a publication into the one before it. A publication writes a
-- key of a table once; an index that said so again would take longer than the publication.
create table if not exists history.publication_changes (
    publication_id bigint not null references ops.publications (publication_id),
    table_name text not null,
    key jsonb not null,
    change text not null check (change in ('added', 'changed', 'removed')),
    before jsonb,
    check ((change = 'added') = (before is null))
);

comment on table history.publication_changes is
'One row per row of marts that a publication changed, with the whole row as it was before.';

create index if not exists publication_changes_by_publication
on history.publication_changes (publication_id, table_name);
