-- The run ledger and what a build is told. Idempotent: applied at the start of every command.
create schema if not exists ops;

create table if not exists ops.sync_runs (
    run_id text primary key,
    command text not null,
    status text not null check (
        status in (
            'running', 'published', 'already_published', 'dry_run', 'built', 'rolled_back', 'exported',
            'audited', 'backfilled', 'failed', 'died'
        )
    ),
    stage text not null,
    filter text,
    source text,
    as_of_date date,
    host text not null,
    pid integer not null,
    backend_pid integer,
    backend_started_at timestamptz,
    process_space text,
    load_id bigint,
    publication_id bigint,
    verdict text,
    exit_code integer,
    error text,
    report_path text,
    stage_seconds jsonb not null default '{}',
    started_at timestamptz not null,
    finished_at timestamptz,
    -- The order of runs. Their clock may have been wrong, and have been put right since.
    run_number bigint generated always as identity
);

-- A ledger older than these columns. `add column if not exists` alone would wait for
-- everybody who reads the table, at every command.
do $$
begin
    if not exists (
        select from pg_attribute
        where attrelid = 'ops.sync_runs'::regclass and attname = 'backend_started_at'
    ) then
        alter table ops.sync_runs
            add column if not exists backend_pid integer,
            add column if not exists backend_started_at timestamptz;
    end if;
    if not exists (
        select from pg_attribute
        where attrelid = 'ops.sync_runs'::regclass and attname = 'process_space'
    ) then
        alter table ops.sync_runs add column if not exists process_space text;
    end if;
    if not exists (
        select from pg_attribute
        where attrelid = 'ops.sync_runs'::regclass and attname = 'run_number'
    ) then
        alter table ops.sync_runs add column if not exists run_number bigint;
        update ops.sync_runs as runs
        set run_number = ordered.run_number
        from (
            select run_id, row_number() over (order by started_at, run_id) as run_number
            from ops.sync_runs
        ) as ordered
        where ordered.run_id = runs.run_id;
        alter table ops.sync_runs
            alter column run_number set not null,
            alter column run_number add generated always as identity;
        perform setval(
            pg_get_serial_sequence('ops.sync_runs', 'run_number'), max(run_number)
        ) from ops.sync_runs having count(*) > 0;
    end if;
    if not exists (
        select from pg_constraint
        where
            conrelid = 'ops.sync_runs'::regclass
            and conname = 'sync_runs_status_check'
            and pg_get_constraintdef(oid) like '%''backfilled''%'
    ) then
        alter table ops.sync_runs
            drop constraint if exists sync_runs_status_check,
            add constraint sync_runs_status_check check (
                status in (
                    'running', 'published', 'already_published', 'dry_run', 'built', 'rolled_back',
                    'exported', 'audited', 'backfilled', 'failed', 'died'
                )
            );
    end if;
end
$$;

-- One row: dbt reads its parameters here, so that a changed date or filter does not cost a
-- new parse of the project, as a changed `--vars` would.
create table if not exists ops.build_parameters (
    only_row boolean primary key default true check (only_row),
    load_id bigint not null,
    feed text not null,
    as_of_date date not null,
    filter text not null,
    filter_names text [] not null,
    reference_prices jsonb not null default '{}',
    focus_futures integer not null default 2,
    focus_expiries integer not null default 2,
    focus_strikes_each_side integer not null default 10
);

-- One row a feed of this build: which landing, and of which day. A feed whose dump could not
-- be had today is built from an older landing and is stale.
create table if not exists ops.build_feeds (
    feed text primary key,
    load_id bigint,
    as_of_date date not null,
    is_stale boolean not null default false
);

create table if not exists ops.acceptances (
    run_id text not null references ops.sync_runs,
    rule text not null,
    reason text not null,
    accepted_by text not null,
    accepted_at timestamptz not null,
    primary key (run_id, rule)
);

-- Written by `python -m instrument_registry.registry_sync_monitor`, one row when it ends. No
-- reference to ops.publications: the row says what was compared, also after a restore.
create table if not exists ops.registry_checks (
    check_id bigint generated always as identity primary key,
    kind text not null check (kind in ('check', 'sync')),
    started_at timestamptz not null,
    finished_at timestamptz not null check (finished_at >= started_at),
    publication_id bigint,
    verdict text not null check (verdict in ('in_step', 'trouble', 'no_source')),
    holders jsonb not null default '{}',
    error text,
    host text not null,
    pid integer not null
);

comment on table ops.registry_checks is
'One row per check or mending of what holds the focus set: registry, table, files, snapshot.';

create index if not exists registry_checks_by_start
on ops.registry_checks (started_at);
