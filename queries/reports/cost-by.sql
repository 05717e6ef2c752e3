-- What the calls cost by any column, or by a key of the metadata
-- One row per value, dearest first; calls that have none are one row.
-- $by: a filter or a column, such as model, user, project, host or prompt_version; metadata.KEY or dims.FILE.COLUMN (default: model)
-- First: key, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=key x=cost_usd none='none'
select
    key.key as key, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({key: key_of(coalesce($by::varchar, 'model'))})
order by cost_usd desc nulls last, total_tokens desc nulls last, key;
