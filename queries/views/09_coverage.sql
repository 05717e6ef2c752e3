-- How much of what was logged is known. One row per format and source.
create view coverage as
with stored as (
    select
        format, source_id,
        max(source_path) as source_path,
        count(*) as rows,
        count(total_tokens) as tokens_known,
        count(cost_usd) as cost_known,
        count(*) filter (token_source = 'estimated') as estimated,
        count(*) filter (token_source = 'partial') as partial,
        count(*) filter (token_source = 'contradicted') as contradicted,
        sum(unpriced_units) filter (cost_source is distinct from 'reported')::bigint as unpriced_units,
        min(created_at) as first_at,
        max(created_at) as last_at,
    from base_calls
    group by format, source_id
),
counted as (
    select format, source_id, count(*) as calls from llm_calls group by format, source_id
),
refused as (
    select format, source_id, max(source_path) as source_path, count(*) as rejects from rejects group by format, source_id
),
passed_over as (
    -- No format is known of lines that none read.
    select source_id, max(source_path) as source_path, sum(unread)::bigint as unread_lines
    from batches where unread > 0
    group by source_id
),
sources as (
    select format, source_id, columns(* exclude (format, source_id)) from stored
    union all by name
    select format, source_id, calls from counted
    union all by name
    select format, source_id, source_path, rejects from refused
    union all by name
    select null as format, source_id, source_path, unread_lines from passed_over
)
select
    format, max(source_path) as source_path, coalesce(max(rows), 0) as rows, coalesce(max(rejects), 0) as rejects,
    coalesce(max(tokens_known), 0) as tokens_known, coalesce(max(cost_known), 0) as cost_known,
    coalesce(max(estimated), 0) as estimated,
    coalesce(max(rows), 0) - coalesce(max(calls), 0) as duplicates_dropped,
    max(first_at) as first_at, max(last_at) as last_at, source_id,
    coalesce(max(partial), 0) as partial, coalesce(max(contradicted), 0) as contradicted,
    coalesce(max(unpriced_units), 0) as unpriced_units, coalesce(max(unread_lines), 0) as unread_lines,
from sources
group by format, source_id;
