-- What each story cost
-- One row per story, dearest first; calls without a story are one row.
-- First: story_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=story_id x=cost_usd none='no story'
select
    key.story_id as story_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({story_id: story_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, story_id;
