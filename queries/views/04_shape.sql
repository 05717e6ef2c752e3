-- Whether calls may repeat, whether some may be copies of Codex, whether sums of sessions may stand beside their calls,
-- whether one call can be in two of maestro's files, whether two of its logs were written at the same time, as a log and
-- what its console printed are, whether two accounts of one system were read, and whether several instruments or tools may
-- have seen one call. Where nothing of that is so, calls need not be compared with each other, which is the dear part of
-- counting them once. That it may be so costs time and changes no answer, so the ledger of batches is asked, which names the
-- formats of all calls, and not the calls: on a large warehouse they take longer than many a report. It is read once, as
-- each look at its files takes a small report a hundredth of its time.
set variable ledger = (
    select {
        is_whole: coalesce(sum(calls) >= getvariable('calls_listed'), false),
        has_sums: coalesce(bool_or(calls > 0 and coalesce(sums, 1) > 0), false),
        told_apart: coalesce(bool_and(superseded is not null) filter (calls > 0), false),
        has_logs: coalesce(bool_or(contains(format, 'maestro-log/')), false),
        formats: coalesce(list(distinct format), [])
    }
    from stored_batches
);

set variable ledger_is_whole = getvariable('ledger').is_whole;

-- Whether a row may stand for several requests.
set variable has_sums = not getvariable('ledger_is_whole') or getvariable('ledger').has_sums;

-- Whether all calls were looked at for what tells records of one call apart when they were stored.
set variable told_apart = getvariable('ledger_is_whole') and getvariable('ledger').told_apart;

-- The formats of all calls, and of other rows. One row per format.
create view formats_read as
select unnest(string_split(format, ',')) as format from stored_batches
union
select format from stored_llm_calls where not getvariable('ledger_is_whole');

set variable shape = (
    with of_batches as (
        select tool_of(format) as tool, layout_of(format) as layout
        from (select unnest(string_split(format, ',')) as format from (select unnest(getvariable('ledger').formats) as format))
    ),
    of_calls as (
        select tool, layout from of_batches
        union all
        select tool_of(format), layout_of(format)
        from (select distinct format from stored_llm_calls where not getvariable('ledger_is_whole'))
    ),
    told as (
        select
            -- These two write no keys. Whether a call of others has one, only the calls know: `connect` asks them next.
            bool_or(tool not in ('maestro-log', 'maestro-usage')) as keys,
            (bool_or(layout = 'maestro-plane/llm-calls') and bool_or(tool = 'maestro-usage'))
            or (
                bool_or(layout = 'agentic-runtime/steps')
                and bool_or(layout in ('agentic-runtime/stdout', 'agentic-runtime/debug'))
            )
            or bool_or(layout = 'agentic-runtime/debug')
            or (bool_or(layout = 'trading/log') and bool_or(layout = 'trading/llm-calls')) as accounts,
            count(distinct tool) > 1 or bool_or(tool in ('otlp', 'openinference')) as observers,
        from of_batches
    ),
    told_of_calls as (
        select
            bool_or(tool = 'codex') as copies,
            bool_or(is_sum(layout)) as sums,
            bool_or(tool = 'maestro-log') and bool_or(tool = 'maestro-usage') as pairs,
        from of_calls
    ),
    spans as (
        select min(first_at) as first_at, max(last_at) as last_at
        from stored_batches
        where getvariable('ledger').has_logs and contains(format, 'maestro-log/')
        group by source_id
    )
    select {
        repeats: not getvariable('ledger_is_whole') or coalesce(keys, false),
        copies: coalesce(copies, false),
        sums: coalesce(sums, false),
        pairs: coalesce(pairs, false),
        accounts: coalesce(accounts, false),
        observers: coalesce(observers, false),
        tees: exists (
            select 1
            from spans
            qualify first_at <= max(last_at) over (order by first_at rows between unbounded preceding and 1 preceding)
        )
    }
    from told, told_of_calls
);
