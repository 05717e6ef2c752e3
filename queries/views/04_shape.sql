-- Whether calls repeat, whether some are copies of Codex, whether sums of sessions may stand beside their calls, whether one
-- call can be in two of maestro's files, whether two of its logs were written at the same time, as a log and what its
-- console printed are, whether two accounts of one system were read, and whether several instruments or tools may have seen
-- one call. One row. Where nothing of that is so, calls need not be compared with each other, which is the dear part of
-- counting them once.
create view shape as
with formats as (
    select distinct layout_of(unnest(string_split(format, ','))) as format from stored_batches
),
tools as (
    select distinct tool_of(format) as tool from formats
)
select
    exists (select 1 from base_calls) as any_left,
    exists (select 1 from base_calls where dedupe_key is not null) as repeats,
    exists (select 1 from base_calls where starts_with(dedupe_key, 'codex:copy:')) as copies,
    exists (select 1 from base_calls where is_sum(format)) as sums,
    exists (select 1 from base_calls where starts_with(format, 'maestro-log/'))
    and exists (select 1 from base_calls where starts_with(format, 'maestro-usage/')) as pairs,
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
