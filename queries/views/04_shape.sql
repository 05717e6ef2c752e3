-- Whether calls may repeat, whether some may be copies of Codex, whether sums of sessions may stand beside their calls,
-- whether one call can be in two of maestro's files, whether two of its logs were written at the same time, as a log and
-- what its console printed are, whether two accounts of one system were read, and whether several instruments or tools may
-- have seen one call. One row. Where nothing of that is so, calls need not be compared with each other, which is the dear
-- part of counting them once. That it may be so costs time and changes no answer, so the ledger of batches is asked, which
-- names the formats of all calls, and not the calls: on a large warehouse they take longer than many a report.
set variable ledger_is_whole = (
    select coalesce(sum(calls) >= getvariable('calls_listed'), false) from stored_batches
);

-- Whether a row may stand for several requests.
set variable has_sums = (
    select not getvariable('ledger_is_whole') or coalesce(bool_or(calls > 0 and coalesce(sums, 1) > 0), false)
    from stored_batches
);

-- Whether all calls were looked at for what tells records of one call apart when they were stored.
set variable told_apart = (
    select getvariable('ledger_is_whole') and coalesce(bool_and(superseded is not null) filter (calls > 0), false)
    from stored_batches
);

-- The formats of all calls, and of other rows. One row per format.
create view formats_read as
select unnest(string_split(format, ',')) as format from stored_batches
union
select format from stored_llm_calls where not getvariable('ledger_is_whole');

create view shape as
with formats as (
    select distinct layout_of(unnest(string_split(format, ','))) as format from stored_batches
),
tools as (
    select distinct tool_of(format) as tool from formats
),
of_calls as (
    select distinct layout_of(format) as format from formats_read
)
select
    -- These two write no keys; that nobody else's call has one is only known of the calls.
    (
        not getvariable('ledger_is_whole')
        or exists (from tools where tool not in ('maestro-log', 'maestro-usage'))
    )
    and exists (select 1 from stored_llm_calls where dedupe_key is not null) as repeats,
    exists (from of_calls where tool_of(format) = 'codex') as copies,
    exists (from of_calls where is_sum(format)) as sums,
    exists (from of_calls where tool_of(format) = 'maestro-log')
    and exists (from of_calls where tool_of(format) = 'maestro-usage') as pairs,
    (exists (from formats where format = 'maestro-plane/llm-calls') and exists (from tools where tool = 'maestro-usage'))
    or (
        exists (from formats where format = 'agentic-runtime/steps')
        and exists (from formats where format in ('agentic-runtime/stdout', 'agentic-runtime/debug'))
    )
    or exists (from formats where format = 'agentic-runtime/debug')
    or (exists (from formats where format = 'trading/log') and exists (from formats where format = 'trading/llm-calls'))
    as accounts,
    (select count(*) > 1 or coalesce(bool_or(tool in ('otlp', 'openinference')), false) from tools) as observers,
    exists (
        select 1
        from (
            select min(first_at) as first_at, max(last_at) as last_at
            from stored_batches
            where format like '%maestro-log/%'
            group by source_id
        )
        qualify first_at <= max(last_at) over (order by first_at rows between unbounded preceding and 1 preceding)
    ) as tees;

set variable shape = (select shape from shape);
