-- What the last commits changed
-- One row: the sources, rows and models of what was committed after a moment, or last.
-- $after: the `committed_at` up to which somebody knows (default: all but the last commit)
with committed as (
    select *
    from batches
    where committed_at > coalesce(
        $after::timestamptz, (select max(committed_at) - interval 1 microsecond from batches)
    )
),
added as (
    select
        llm_calls.model, count(*) filter (success is not false) as calls,
        count(*) filter (success is false) as failed_calls, sum(total_tokens)::bigint as total_tokens, sum(cost_usd) as cost_usd
    from llm_calls
    inner join committed
        on llm_calls.source_id = committed.source_id
        and source_offset >= start_offset and source_offset < end_offset
    where llm_calls.created_at >= (select min(first_at) from committed)
    group by llm_calls.model
)
select
    max(committed_at) as committed_at,
    sum(calls)::bigint as calls, sum(events)::bigint as events, sum(rejects)::bigint as rejects,
    min(first_at) as first_at, max(last_at) as last_at,
    list(distinct source_path order by source_path)[:20] as source_paths,
    (select list(added order by total_tokens desc nulls last, model) from added) as models,
from committed
order by all;
